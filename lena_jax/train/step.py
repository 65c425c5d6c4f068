"""The siamese training step, mapped over devices with `pmap`: split the batch, gather scores, sum gradients."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from lena_jax.models.siamese import AXIS
from lena_jax.train.loss import pair_logits, pairwise_logistic_loss


@flax.struct.dataclass
class TrainState:
    """The state that a training step updates.

    Attributes:
        params: trained parameters.
        opt_state: state of the optimizer.
        statistics: {collection: running statistics that training moves}: BatchNorm's, those of equal spread, or {}.
        average: EMA of the parameters, or {}.
        step: number of steps done, int32.
    """

    params: dict
    opt_state: optax.OptState
    statistics: dict
    average: dict
    step: jax.Array

    @classmethod
    def create(cls, params, optimizer, statistics=None, average=False):
        """Create the state before the first step; with `average`, the EMA starts at the parameters."""
        return cls(params, optimizer.init(params), statistics or {}, params if average else {}, np.int32(0))


def make_train_step(score, optimizer, devices=None, accumulate=1, average_decay=0.0):
    """Make the training step, mapped over the devices of all processes with `pmap`.

    Each device scores its share of the pictures. The scores are gathered, and each device computes the loss of its
    share of the pairs, which may join pictures of different devices. Loss and gradient are summed over devices and
    divided by the sum of all pair weights, so the number of devices changes nothing but rounding.

    With `accumulate = k` a device splits its pictures into k parts and needs the memory of one part: it computes all
    scores, then the derivative of the loss with respect to the scores, then the gradient part by part. Pairs still join
    pictures of all parts. Loss and gradient equal those of k = 1 up to rounding; the price is one more forward pass.
    Running statistics do not move, because a part has other statistics than the batch.

    Args:
        score: (params, statistics, carried, inputs) -> (scores [n], new statistics); inputs are a pytree of
            arrays [n, ...].
        optimizer: Optax transformation of `params`.
        devices: devices to pass to `jax.pmap`; None for all.
        accumulate: number of parts; must divide a device's number of pictures.
        average_decay: decay d in [0, 1) of the EMA `a <- d' * a + (1 - d') * params`, where
            `d' = min(d, (1 + step) / (10 + step))` forgets the first steps quickly. Unused without an EMA.

    Returns:
        step(state, carried, batch) -> (state, {"loss", "pair_accuracy", "gradient_norm"}). Every array has a leading
        axis over this process' devices; `batch` comes from `shard`. The buffers of the given state are donated.
    """

    def loss_and_accuracy(scores, batch):
        scores = jax.lax.all_gather(scores, AXIS, tiled=True)
        loss, weight = pairwise_logistic_loss(scores, batch["pairs"], batch["label"], batch["weight"])
        weight = jax.lax.psum(weight, AXIS)
        weight = jnp.where(weight > 0, weight, 1)
        logits = pair_logits(scores, batch["pairs"])
        correct = jnp.sum(batch["weight"] * (jnp.sign(logits) * jnp.sign(2 * batch["label"] - 1) + 1) / 2)
        return loss / weight, correct / weight

    # The derivative of all_gather sums over devices: it returns what all pairs add to a score to the device that
    # computed the score. So the gradient of the total loss is the sum of the devices' gradients.
    loss_and_derivative = jax.value_and_grad(loss_and_accuracy, has_aux=True)

    def gradient_at_once(params, statistics, carried, batch):
        scores, pull_back, statistics = jax.vjp(
            lambda params: score(params, statistics, carried, batch["inputs"]), params, has_aux=True
        )
        measures, derivative = loss_and_derivative(scores, batch)
        return measures, pull_back(derivative)[0], statistics

    def gradient_in_parts(params, statistics, carried, batch):
        parts = _split(batch["inputs"], accumulate)
        scores = jax.lax.map(lambda part: score(params, statistics, carried, part)[0], parts)
        measures, derivative = loss_and_derivative(scores.reshape(-1), batch)

        def add_part(total, part):
            inputs, derivative = part
            _, pull_back = jax.vjp(lambda params: score(params, statistics, carried, inputs)[0], params)
            return jax.tree.map(jnp.add, total, pull_back(derivative)[0]), None

        gradient, _ = jax.lax.scan(
            add_part, jax.tree.map(jnp.zeros_like, params), (parts, derivative.reshape(scores.shape))
        )
        return measures, gradient, statistics

    def step(state, carried, batch):
        compute = gradient_at_once if accumulate == 1 else gradient_in_parts
        (loss, accuracy), gradient, statistics = compute(state.params, state.statistics, carried, batch)
        loss, accuracy, gradient = jax.lax.psum((loss, accuracy, gradient), AXIS)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        decay = jnp.minimum(average_decay, (1 + state.step) / (10 + state.step))
        average = optax.incremental_update(params, state.average, 1 - decay) if state.average else {}
        return (
            TrainState(params, opt_state, statistics, average, state.step + 1),
            {"loss": loss, "pair_accuracy": accuracy, "gradient_norm": optax.tree.norm(gradient)},
        )

    return jax.pmap(step, axis_name=AXIS, devices=devices, donate_argnums=0)


def shard(batch, devices, process=0, processes=1):
    """Split a batch over the devices: [n, ...] -> [this process' devices, n / all devices, ...].

    Args:
        batch: dict with `inputs` (this process' share of the pictures, a pytree of arrays) and `pairs`, `label` and
            `weight` of the whole batch, which are padded with pairs of weight 0.
        devices: number of devices of this process, the same for each process.
        process, processes: index of this process, and number of processes.

    Raises:
        ValueError: if the number of pictures is not a multiple of the number of devices.
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
    """Reshape the leaves [n, ...] of a pytree to [parts, n / parts, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(parts, -1, *leaf.shape[1:]), tree)


class StepWindow:
    """Collect the measures of steps, and keep them on the devices until they are read.

    Reading them after every step would make the devices wait for the host.
    """

    def __init__(self):
        self._measures, self._indices = [], []

    def add(self, measures, index):
        """Add the measures that a step returned, and the indices of its pictures."""
        self._measures.append(measures)
        self._indices.append(index)

    def read(self):
        """Return (one dict of floats per step, the indices of each step's pictures), and start over."""
        rows = [
            {name: float(value.addressable_shards[0].data[0]) for name, value in row.items()} for row in self._measures
        ]
        indices = self._indices
        self.__init__()
        return rows, indices


def replicate(tree, devices):
    """Copy a pytree to devices of this process; the copies form a leading axis of length `len(devices)`."""
    mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
    return jax.tree.map(
        lambda leaf: jax.device_put(np.broadcast_to(leaf, (len(devices), *np.shape(leaf))), sharding), tree
    )


def first_copy(tree):
    """Return one device's copy of a replicated pytree, as NumPy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree)
