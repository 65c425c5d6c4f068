"""Gradient times input: a check of the maps that does not depend on pooling or feature maps."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def gradient_map(
    score: Callable[[jax.Array], jax.Array], pictures: ArrayLike, baseline: ArrayLike | None = None
) -> jax.Array:
    """Computes what each pixel adds to the score, to first order: `sum_colour dscore/dx * (x - baseline)`.

    If the score is linear in the pixels, the map sums to exactly `score(picture) - score(baseline)`. For a deep network
    it is noisy from pixel to pixel; `to_grid` sums it over cells.

    Args:
        score: function from pictures [B, H, W, 3] to scores [B], differentiable by JAX. Each score may depend only on
            its own picture.
        pictures: [B, H, W, 3].
        baseline: array that broadcasts to the pictures, such as a colour [3]; None for each picture's mean colour.

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
    """Computes the mean colour of each picture: [B, H, W, 3] -> [B, 1, 1, 3]."""
    return pictures.mean((1, 2), keepdims=True)
