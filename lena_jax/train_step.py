"""The siamese training step, mapped over devices with `pmap`: split the batch, gather the scores, sum the gradient."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from lena_jax.siamese import pair_logits, pairwise_logistic_loss


@flax.struct.dataclass
class TrainState:
    """What a step changes: the trained parameters and the optimizer's state."""

    params: dict
    opt_state: optax.OptState


def make_train_step(score, optimizer, devices=None):
    """The training step, mapped over the devices with `pmap`.

    Every device scores its share of the pictures; the scores are gathered, every device takes its share of
    the pairs, which may join pictures of different devices; loss and gradient are summed over devices and
    divided by the sum of all pair weights. The number of devices changes rounding, nothing else.

    Args:
        score: (params, frozen, inputs [n, ...]) -> scores [n].
        optimizer: Optax transformation of `params`.
        devices: as of `jax.pmap`; None for all local devices.

    Returns:
        step(state, frozen, batch) -> (state, {"loss", "pair_accuracy"}), everything with a leading axis of
        devices; `batch` as of `shard`. The state given is consumed.
    """
    def loss_and_accuracy(params, frozen, batch):
        scores = jax.lax.all_gather(score(params, frozen, batch["inputs"]), "devices", tiled=True)
        loss, weight = pairwise_logistic_loss(scores, batch["pairs"], batch["label"], batch["weight"])
        weight = jax.lax.psum(weight, "devices")
        weight = jnp.where(weight > 0, weight, 1)
        logits = pair_logits(scores, batch["pairs"])
        correct = jnp.sum(batch["weight"] * (jnp.sign(logits) * (2 * batch["label"] - 1) + 1) / 2)
        return loss / weight, correct / weight

    def step(state, frozen, batch):
        # all_gather sends the gradient of everyone's pairs back to the device that scored the picture, so the
        # gradient of the total loss is the sum of the devices' own.
        (loss, accuracy), gradient = jax.value_and_grad(loss_and_accuracy, has_aux=True)(state.params, frozen, batch)
        loss, accuracy, gradient = jax.lax.psum((loss, accuracy, gradient), "devices")
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        return (TrainState(optax.apply_updates(state.params, updates), opt_state),
                {"loss": loss, "pair_accuracy": accuracy})

    return jax.pmap(step, axis_name="devices", devices=devices, donate_argnums=0)


def shard(batch, devices):
    """Splits a batch over devices: [n, ...] -> [devices, n / devices, ...]; pairs are padded with weight 0.

    Raises:
        ValueError: if the devices do not divide the pictures.
    """
    pictures = len(batch["inputs"])
    if pictures % devices:
        raise ValueError(f"batch_size must be a multiple of the number of devices, got batch_size={pictures} and "
                         f"{devices} devices")
    padding = -len(batch["pairs"]) % devices
    def split(array):
        return array.reshape(devices, -1, *array.shape[1:])
    return {"inputs": split(batch["inputs"]), **{
        name: split(np.concatenate([batch[name], np.zeros((padding, *batch[name].shape[1:]), batch[name].dtype)]))
        for name in ("pairs", "label", "weight")}}


def replicate(tree, devices):
    """Copies a pytree to the devices: a leading axis of `len(devices)`."""
    mesh = jax.sharding.Mesh(np.array(devices), ("devices",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("devices"))
    return jax.tree.map(lambda leaf: jax.device_put(np.broadcast_to(leaf, (len(devices), *np.shape(leaf))), sharding),
                        tree)


def first_copy(tree):
    """One device's copy of a replicated pytree, as NumPy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree)
