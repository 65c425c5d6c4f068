"""AdaBN: re-estimate a network's BatchNorm statistics on the pictures of another dataset, without their scores."""

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.models.siamese import AXIS


def adapt_batch_norm(update, variables, batches):
    """Replace `variables["batch_stats"]` by the statistics of other pictures.

    Every batch runs through the network with BatchNorm by the batch's own statistics, so that each layer sees the
    output of the adapted layers before it. The moments of the batches are then merged to those of all pictures (Chan's
    form of Welford's update), with n_b pictures in batch b:

        mean = sum_b n_b mean_b / n,     var = sum_b n_b (var_b + (mean_b - mean)^2) / n

    For the first BatchNorm layer this is exact for any batches. For deeper layers it depends on the batch size, because
    the layers before them are normalized batch by batch. So use large batches of pictures in random order.

    Args:
        update: (variables, batch) -> batch_stats moved towards the batch's, `m old + (1 - m) batch` with any momentum
            m < 1 for each leaf, as BatchNorm does in training; see `running_update`.
        variables: variables of the network, with the collection "batch_stats"; not changed.
        batches: iterable of inputs whose first axis is over pictures.

    Returns:
        A copy of the variables with the new `batch_stats`, NumPy arrays.

    Raises:
        ValueError: if the network has no BatchNorm, or there is no batch.

    References: Li et al., Revisiting batch normalization for practical domain adaptation, 2016 (arXiv 1603.04779);
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """
    if not variables.get("batch_stats"):
        raise ValueError("got a network without BatchNorm statistics, expected the collection 'batch_stats'")
    zeros, ones = (
        jax.tree.map(lambda leaf, value=value: jnp.full_like(leaf, value), variables["batch_stats"])
        for value in (0.0, 1.0)
    )
    rest, total, mean, var = None, 0, None, None
    for batch in batches:
        count = len(jax.tree.leaves(batch)[0])
        # Starting from 0, the update gives (1 - m) batch; starting from 1, it gives m more. So `rest` is 1 - m.
        moved = _as_numpy(update({**variables, "batch_stats": zeros}, batch))
        if rest is None:
            rest = jax.tree.map(
                lambda high, low: 1 - (high - low), _as_numpy(update({**variables, "batch_stats": ones}, batch)), moved
            )
        moments = jax.tree.map(np.divide, moved, rest)
        means, variances = (_named(moments, name) for name in ("mean", "var"))
        if not total:
            mean, var = means, variances
        else:
            share = count / (total + count)
            for path, value in means.items():
                step = value - mean[path]
                var[path] = var[path] + share * (variances[path] - var[path]) + share * (1 - share) * step * step
                mean[path] = mean[path] + share * step
        total += count
    if not total:
        raise ValueError("got no batches to compute statistics from, expected at least one")
    found = {(*path, "mean"): leaf for path, leaf in mean.items()} | {
        (*path, "var"): leaf for path, leaf in var.items()
    }
    return {
        **variables,
        "batch_stats": jax.tree_util.tree_map_with_path(
            lambda path, leaf: found[tuple(key.key for key in path)].astype(leaf.dtype), variables["batch_stats"]
        ),
    }


def running_update(model):
    """Compile the `update` of a `Ranker` for `adapt_batch_norm`: (variables, inputs of n pictures) -> batch_stats."""

    def update(variables, inputs):
        def moved(inputs):
            return model.score_for_training(variables, inputs)[1]["batch_stats"]

        # BatchNorm averages moments over the devices of a training step; give it an axis with one device.
        one = jax.vmap(moved, axis_name=AXIS)(jax.tree.map(lambda array: array[None], inputs))
        return jax.tree.map(lambda leaf: leaf[0], one)

    return jax.jit(update)


def _as_numpy(tree):
    # Use double precision: for a momentum near 1, few digits of 1 - m remain.
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def _named(tree, name):
    """Return {path of the layer: leaf} for the leaves with that name."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {tuple(key.key for key in path[:-1]): leaf for path, leaf in flat if path[-1].key == name}
