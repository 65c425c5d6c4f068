"""Patches and where they lie: patch convolutions, position embeddings for any grid, and rotary embeddings."""

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.backbones.layers import product


def resize_to_multiple(x, side: int):
    """Resize pictures so that `side` divides height and width, rounded down; nothing is cut off.

    Args:
        x: `[B, H, W, C]`, floating point.
        side: pixels, at most H and W.

    Returns:
        `[B, H // side * side, W // side * side, C]`: `x` itself where the sizes fit, otherwise resized with cubic
        interpolation and antialiasing.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.backbones.tokens import resize_to_multiple
        >>> resize_to_multiple(jnp.zeros((1, 75, 112, 3)), 14).shape
        (1, 70, 112, 3)
    """
    height, width = (size // side * side for size in x.shape[1:3])
    if (height, width) == x.shape[1:3]:
        return x
    return jax.image.resize(x, (x.shape[0], height, width, x.shape[3]), "cubic", antialias=True)


def patch_conv(x, kernel):
    """Convolve with a stride equal to the kernel's size and no padding, as one matrix product.

    Args:
        x: `[B, H, W, in]`; the kernel's size divides H and W.
        kernel: `[P, P, in, out]`, in the type of `x`.

    Returns:
        `[B, H / P, W / P, out]` in the type of `x`.
    """
    batch, height, width, channels = x.shape
    side = kernel.shape[0]
    x = x.reshape(batch, height // side, side, width // side, side * channels)
    x = x.transpose(0, 1, 3, 2, 4).reshape(batch, height // side, width // side, -1)
    return product(x, kernel.reshape(-1, kernel.shape[3]))


def resize_positions(positions, grid: tuple[int, int], new: tuple[int, int]):
    """Resize a position embedding to another grid, as timm's `resample_abs_pos_embed` does.

    Cubic with antialiasing. Facebook's own code for DINOv2 without registers leaves antialiasing out, which changes its
    features at 224 px by up to 5 % of the largest.

    Args:
        positions: `[N, D]`: embeddings of tokens that belong to no cell, then those of the cells, row by row.
        grid: rows and columns of the cells that they were trained for.
        new: rows and columns of the cells that are wanted.

    Returns:
        `[N - h * w + H * W, D]`; the tokens that belong to no cell stay as they are.
    """
    if tuple(grid) == tuple(new):
        return positions
    cells = grid[0] * grid[1]
    others, cells = positions[:-cells], positions[-cells:]
    width = positions.shape[1]
    cells = jax.image.resize(cells.reshape(1, *grid, width), (1, *new, width), "cubic", antialias=True)
    return jnp.concatenate([others, cells.reshape(-1, width)])


def rotary_factors(grid: tuple[int, int], head_size: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines and sines of DINOv3's rotary embedding.

    A cell's centre has the coordinates `2 (i + 0.5) / H - 1` and `2 (j + 0.5) / W - 1` in (-1, 1). Its angles are
    `2 pi y / p_k` and then `2 pi x / p_k`, with the periods `p_k = 100 ** (4 k / head_size)`, `k < head_size / 4`;
    both halves of a head have the same angles. Tokens that belong to no cell are not rotated.

    Args:
        grid: rows and columns of cells.
        head_size: numbers in a head, a multiple of 4.
        others: tokens before those of the cells.

    Returns:
        Two arrays `[others + H * W, head_size]`, float32.

    Reference: Siméoni et al., "DINOv3", arXiv 2508.10104; Su et al., "RoFormer", arXiv 2104.09864.
    """
    periods = 100.0 ** (4 * np.arange(head_size // 4) / head_size)
    row, column = (2 * (np.arange(size) + 0.5) / size - 1 for size in grid)
    angles = [2 * np.pi * axis[..., None] / periods for axis in np.meshgrid(row, column, indexing="ij")]
    angles = np.tile(np.concatenate(angles, -1).reshape(-1, head_size // 2), 2)
    angles = np.concatenate([np.zeros((others, head_size)), angles])
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x, factors):
    """Rotate the queries or keys `x: [B, T, heads, head_size]` by `factors` of `rotary_factors`; same type as `x`."""
    cos, sin = (jnp.asarray(factor)[None, :, None] for factor in factors)
    first, second = jnp.split(x.astype(jnp.float32), 2, -1)
    turned = jnp.concatenate([-second, first], -1)
    return (x.astype(jnp.float32) * cos + turned * sin).astype(x.dtype)
