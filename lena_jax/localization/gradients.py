"""Gradient times input: a check of the maps that knows nothing of pooling and feature maps."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def gradient_map(
    score: Callable[[jax.Array], jax.Array], pictures: ArrayLike, baseline: ArrayLike | None = None
) -> jax.Array:
    """What each pixel adds to the score, to first order: `sum_colour dscore/dx * (x - baseline)`.

    For a score that is linear in the pixels the map sums to `score(picture) - score(baseline)` exactly. For a deep
    network it is noisy from pixel to pixel; `to_grid` sums it over cells.

    Args:
        score: pictures [B, H, W, 3] -> scores [B], each depending on its own picture; differentiable by JAX.
        pictures: [B, H, W, 3].
        baseline: what broadcasts to the pictures, such as a colour [3]; None for each picture's own mean colour.

    Returns:
        [B, H, W] float32, raw and signed.

    Reference: Shrikumar et al., Not just a black box, 2016; Simonyan et al., 2014.
    """
    pictures = jnp.asarray(pictures, jnp.float32)
    away = (
        pictures - mean_colour(pictures)
        if baseline is None
        else pictures - jnp.broadcast_to(jnp.asarray(baseline, jnp.float32), pictures.shape)
    )
    gradient = jax.grad(lambda pictures: score(pictures).sum())(pictures)
    return (gradient * away).sum(-1)


def mean_colour(pictures: jax.Array) -> jax.Array:
    """The mean colour of each picture: [B, H, W, 3] -> [B, 1, 1, 3]."""
    return pictures.mean((1, 2), keepdims=True)
