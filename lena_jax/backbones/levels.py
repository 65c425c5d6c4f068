"""Feature maps of several levels, which have different grids, side by side on one grid."""

from collections.abc import Iterable

import flax.linen as nn
import jax
import jax.numpy as jnp

# "multilevel" has the grid of the last level; "multilevel_8" that of the levels with 8 pixels per cell.
ENDPOINTS = ("multilevel", "multilevel_16", "multilevel_8", "multilevel_4")


def stride_of(endpoint: str, output_stride: int) -> int:
    """Return the pixels per cell of one of `ENDPOINTS`: those in its name, or else `output_stride`, the last level's.

    Example:
        >>> from lena_jax.backbones.levels import stride_of
        >>> stride_of("multilevel", 32), stride_of("multilevel_8", 32)
        (32, 8)
    """
    _, _, named = endpoint.partition("_")
    return int(named or output_stride)


def side_by_side(levels: Iterable[tuple[int, jax.Array]], stride: int, height: int, width: int) -> jax.Array:
    """Put levels on the grid of one stride: average those that are finer, repeat the cells of those that are coarser.

    A cell of the result holds the mean of the cells of a finer level that lie in it, or the cell of a coarser level in
    which it lies. A cell of a coarser level, `k` times as wide, stands there `k * k` times. So average, max, GeM, LSE
    and softmax pool to what they give on the level's own grid, and a support of `k * k * N` cells gives what one of `N`
    cells gives there: LENA reaches the same values, and top-N and WELDON need numbers of cells of this grid.

    Where a stride does not divide the picture, cells at its lower and right border reach beyond it. Those of a coarser
    level are repeated only as often as the grid has cells there, so they count for the part of them that is left.

    Args:
        levels: (pixels per cell, map `[B, ceil(height / pixels), ceil(width / pixels), channels]`). Of `pixels` and
            `stride`, one divides the other.
        stride: pixels per cell of the result.
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Returns:
        `[B, ceil(height / stride), ceil(width / stride), sum of channels]`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.backbones.levels import side_by_side
        >>> fine, coarse = jnp.arange(6.0).reshape(1, 1, 6, 1), jnp.array([[[[7.0], [8.0]]]])
        >>> side_by_side([(4, fine), (16, coarse)], 8, height=4, width=24)[0, 0]
        Array([[0.5, 7. ],
               [2.5, 7. ],
               [4.5, 8. ]], dtype=float32)
    """
    grid = -(-height // stride), -(-width // stride)
    return jnp.concatenate(
        [_averaged(x, stride // own) if own < stride else _repeated(x, own // stride, grid) for own, x in levels], -1
    )


def _averaged(x, factor):
    """Average over squares of `factor` x `factor` cells; those at the far borders may be cut off."""
    pads = [(0, -side % factor) for side in x.shape[1:3]]
    mean = nn.avg_pool(x.astype(jnp.float32), (factor, factor), (factor, factor), pads, count_include_pad=False)
    return mean.astype(x.dtype)


def _repeated(x, factor, grid):
    if factor == 1:
        return x
    return jnp.repeat(jnp.repeat(x, factor, 1)[:, : grid[0]], factor, 2)[:, :, : grid[1]]
