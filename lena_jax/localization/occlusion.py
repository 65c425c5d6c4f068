"""Occlusion: how much the score falls when a region of the picture is covered. This check needs only the score."""

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
    """Computes `score(picture) - score(picture with a square over cell i)` for every cell.

    A cell is positive if the covered region raises the score. The function is pure and has fixed shapes, so it can be
    wrapped in `jax.jit` with the picture as argument. It holds at most `batch_size` covered pictures at a time, however
    fine the grid. One picture takes `h * w` passes of the network.

    Args:
        score: function from pictures [B, H, W, 3] to scores [B].
        picture: [H, W, 3].
        grid: (h, w), number of cells. The square is centred on each cell and cut off at the picture's border.
        patch: side of the square in pixels; None for the longer side of a cell.
        fill: colour [3] of the square; None for the picture's mean colour.
        batch_size: number of covered pictures per call of `score`.

    Returns:
        [h, w] float32, raw and signed.

    Raises:
        ValueError: the grid is finer than the picture, or `patch` or `batch_size` is below 1.

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
    # Cell 0 pads the last chunk; its copies are dropped.
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
    # Score the whole picture in a batch of the same size, so that it is rounded the same way.
    whole = score(jnp.broadcast_to(picture[None], (batch_size, *picture.shape)))[0]
    return (whole - scores).astype(jnp.float32).reshape(grid)
