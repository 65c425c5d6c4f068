"""Occlusion: how much the score falls when a part of the picture is covered; a check that trusts the score alone."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.localization.gradients import mean_colour


def occlusion_map(
    score: Callable[[jax.Array], jax.Array],
    picture: ArrayLike,
    grid: tuple[int, int],
    patch: float | None = None,
    fill: ArrayLike | None = None,
    batch_size: int = 32,
) -> jax.Array:
    """`score(picture) - score(picture with a square over cell i)`, for every cell.

    Positive where the covered part raises the score. Pure and of fixed shapes: wrap it in `jax.jit` with the picture as
    the argument. At most `batch_size` covered pictures exist at a time, however fine the grid; one picture takes
    `h * w` passes of the network.

    Args:
        score: pictures [B, H, W, 3] -> scores [B].
        picture: [H, W, 3].
        grid: (h, w) cells; the square is centred on each, and cut at the picture's border.
        patch: side of the square in pixels; None for the side of a cell (the longer one).
        fill: colour [3] of the square; None for the picture's mean colour.
        batch_size: covered pictures a call of `score`.

    Returns:
        [h, w] float32, raw and signed.

    Raises:
        ValueError: for a grid finer than the picture, or a patch or batch below 1.

    Reference: Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
    """
    picture = jnp.asarray(picture, jnp.float32)
    height, width = picture.shape[:2]
    cells = grid[0] * grid[1]
    if not (1 <= grid[0] <= height and 1 <= grid[1] <= width):
        raise ValueError(f"grid must have 1 to {(height, width)} cells, got {tuple(grid)}")
    patch = max(height / grid[0], width / grid[1]) if patch is None else patch
    if patch < 1 or batch_size < 1:
        raise ValueError(f"patch and batch_size must be at least 1, got {patch} and {batch_size}")
    colour = mean_colour(picture[None])[0] if fill is None else jnp.asarray(fill, jnp.float32)[None, None]
    batch_size = min(batch_size, cells)
    chunks = -(-cells // batch_size)
    # The last chunk is filled up with cell 0, whose copies are dropped.
    numbers = jnp.arange(chunks * batch_size)
    numbers = jnp.where(numbers < cells, numbers, 0).reshape(chunks, batch_size)

    def near(cell, count, pixels):
        centre = (cell.astype(jnp.float32) + 0.5) * (pixels / count)
        return jnp.abs(jnp.arange(pixels, dtype=jnp.float32)[None] + 0.5 - centre[:, None]) < patch / 2

    def covered_scores(numbers):
        rows, columns = near(numbers // grid[1], grid[0], height), near(numbers % grid[1], grid[1], width)
        covered = rows[:, :, None, None] & columns[:, None, :, None]
        return score(jnp.where(covered, colour[None], picture[None]))

    scores = jax.lax.map(covered_scores, numbers).reshape(-1)[:cells]
    # Scored in a batch of the same size, so that rounding is the same too.
    whole = score(jnp.broadcast_to(picture[None], (batch_size, *picture.shape)))[0]
    return (whole - scores).astype(jnp.float32).reshape(grid)
