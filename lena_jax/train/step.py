"""The siamese training step, mapped over devices with `pmap`: split the batch, gather the scores, sum the gradient."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from lena_jax.models.siamese import AXIS
from lena_jax.train.loss import pair_logits, pairwise_logistic_loss


@flax.struct.dataclass
class TrainState:
    """What a step changes.

    Attributes:
        params: the parameters that are trained.
        opt_state: of the optimizer.
        batch_stats: BatchNorm's running statistics where they move, else {}.
        average: exponential moving average of the parameters, or {}.
        step: number of steps done, int32.
    """

    params: dict
    opt_state: optax.OptState
    batch_stats: dict
    average: dict
    step: jax.Array

    @classmethod
    def create(cls, params, optimizer, batch_stats=None, average=False):
        """The state before the first step; with `average`, the average starts at the parameters."""
        return cls(params, optimizer.init(params), batch_stats or {}, params if average else {}, np.int32(0))


def make_train_step(score, optimizer, devices=None, accumulate=1, average_decay=0.0):
    """The training step, mapped over the devices (of all processes) with `pmap`.

    Every device scores its share of the pictures; the scores are gathered, every device takes its share of
    the pairs, which may join pictures of different devices; loss and gradient are summed over devices and
    divided by the sum of all pair weights. The number of devices changes rounding, nothing else.

    With `accumulate = k` a device runs its pictures in k parts, to need the memory of one: first all scores, then
    the derivative of the loss with respect to them, then part by part the gradient. Pairs join pictures of all parts,
    and loss and gradient are those of k = 1 to rounding, for one more forward pass. Running statistics stay as they
    are: those of a part would not be those of the batch.

    Args:
        score: (params, batch_stats, carried, inputs) -> (scores [n], new batch_stats); inputs are a pytree of
            arrays [n, ...].
        optimizer: Optax transformation of `params`.
        devices: as of `jax.pmap`; None for all devices.
        accumulate: number of parts, which divides a device's pictures.
        average_decay: d of the moving average `a <- d' * a + (1 - d') * params`, in [0, 1);
            `d' = min(d, (1 + step) / (10 + step))`, so that the start is soon forgotten. Unused without an average.

    Returns:
        step(state, carried, batch) -> (state, {"loss", "pair_accuracy", "gradient_norm"}), everything with a leading
        axis of this process' devices; `batch` as of `shard`. The state given is consumed.
    """

    def loss_and_accuracy(scores, batch):
        scores = jax.lax.all_gather(scores, AXIS, tiled=True)
        loss, weight = pairwise_logistic_loss(scores, batch["pairs"], batch["label"], batch["weight"])
        weight = jax.lax.psum(weight, AXIS)
        weight = jnp.where(weight > 0, weight, 1)
        logits = pair_logits(scores, batch["pairs"])
        correct = jnp.sum(batch["weight"] * (jnp.sign(logits) * (2 * batch["label"] - 1) + 1) / 2)
        return loss / weight, correct / weight

    # all_gather sends the derivative of everyone's pairs back to the device that scored the picture, so the
    # gradient of the total loss is the sum of the devices' own.
    loss_and_derivative = jax.value_and_grad(loss_and_accuracy, has_aux=True)

    def gradient_at_once(params, batch_stats, carried, batch):
        scores, pull_back, batch_stats = jax.vjp(
            lambda params: score(params, batch_stats, carried, batch["inputs"]), params, has_aux=True
        )
        measures, derivative = loss_and_derivative(scores, batch)
        return measures, pull_back(derivative)[0], batch_stats

    def gradient_in_parts(params, batch_stats, carried, batch):
        parts = _split(batch["inputs"], accumulate)
        scores = jax.lax.map(lambda part: score(params, batch_stats, carried, part)[0], parts)
        measures, derivative = loss_and_derivative(scores.reshape(-1), batch)

        def add_part(total, part):
            inputs, derivative = part
            _, pull_back = jax.vjp(lambda params: score(params, batch_stats, carried, inputs)[0], params)
            return jax.tree.map(jnp.add, total, pull_back(derivative)[0]), None

        gradient, _ = jax.lax.scan(
            add_part, jax.tree.map(jnp.zeros_like, params), (parts, derivative.reshape(scores.shape))
        )
        return measures, gradient, batch_stats

    def step(state, carried, batch):
        compute = gradient_at_once if accumulate == 1 else gradient_in_parts
        (loss, accuracy), gradient, batch_stats = compute(state.params, state.batch_stats, carried, batch)
        loss, accuracy, gradient = jax.lax.psum((loss, accuracy, gradient), AXIS)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(average_decay, (1 + state.step) / (10 + state.step))
        average = optax.incremental_update(params, state.average, 1 - decay) if state.average else {}
        return (
            TrainState(params, opt_state, batch_stats, average, state.step + 1),
            {"loss": loss, "pair_accuracy": accuracy, "gradient_norm": optax.tree.norm(gradient)},
        )

    return jax.pmap(step, axis_name=AXIS, devices=devices, donate_argnums=0)


def shard(batch, devices, process=0, processes=1):
    """Splits a batch over the devices: [n, ...] -> [this process' devices, n / all devices, ...].

    Args:
        batch: `inputs`, the process' own share of the pictures, an array or a pytree of arrays, and `pairs`, `label`
            and `weight` of the whole batch, which are padded with weight 0.
        devices: number of devices of this process, the same for each process.
        process, processes: which one this is, and how many there are.

    Raises:
        ValueError: if the devices do not divide the pictures.
    """
    pictures = len(jax.tree.leaves(batch["inputs"])[0])
    if pictures % devices:
        raise ValueError(
            "batch_size must be a multiple of the number of devices, got "
            f"batch_size={pictures * processes} and {devices * processes} devices"
        )
    padding = -len(batch["pairs"]) % (devices * processes)

    def split(array):
        padded = np.concatenate([array, np.zeros((padding, *array.shape[1:]), array.dtype)])
        return padded.reshape(processes, devices, -1, *array.shape[1:])[process]

    return {
        "inputs": _split(batch["inputs"], devices),
        **{name: split(batch[name]) for name in ("pairs", "label", "weight")},
    }


def _split(tree, parts):
    """The leaves [n, ...] of a pytree as [parts, n / parts, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), tree)


class StepWindow:
    """Measures of the steps since they were last read; they stay on the devices until then.

    Reading every step would make the devices wait for the host.
    """

    def __init__(self):
        self._measures, self._indices = [], []

    def add(self, measures, index):
        """Keeps what a step returned, and the indices of its pictures."""
        self._measures.append(measures)
        self._indices.append(index)

    def read(self):
        """Returns (a dict of floats a step, indices of the pictures of each step), and forgets them."""
        rows = [
            {name: float(value.addressable_shards[0].data[0]) for name, value in row.items()} for row in self._measures
        ]
        indices = self._indices
        self.__init__()
        return rows, indices


def replicate(tree, devices):
    """Copies a pytree to devices of this process: a leading axis of `len(devices)`."""
    mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
    return jax.tree.map(
        lambda leaf: jax.device_put(np.broadcast_to(leaf, (len(devices), *np.shape(leaf))), sharding), tree
    )


def first_copy(tree):
    """One device's copy of a replicated pytree, as NumPy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree)
