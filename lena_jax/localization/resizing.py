"""Maps from the grid of the trunk to the pixels of the picture and back, sign and level kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

DEGREE = 5  # Of the spline: its standard deviation is 0.7 cells.


def upsample(maps: jax.Array | np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarges maps [B, h, w] to [B, height, width] as smooth surfaces, sign and level kept.

    `map(y, x) = sum_ij cell_ij B(y - i) B(x - j)`, with B the B-spline of degree 5, in units of a cell, and the cells
    mirrored at the edges. B is positive and its copies sum to 1, so no value leaves the range of the cells, a constant
    stays, and so does the sum as a share of the pixels where a whole number of them makes a cell. A cell of a trunk has
    seen its neighbours too; a contribution is not known to be where the centre of its cell is. How this compares with
    bilinear enlargement on `planted`, whose objects are known: docs/evaluation.md.

    Computed by NumPy: pictures have thousands of sizes, and each would be a compiled program, kept for good.

    Returns:
        NumPy array [B, height, width] float32.

    Reference: Unser, Splines: A Perfect Fit for Signal and Image Processing, IEEE Signal Processing Magazine 1999.
    """
    rows, columns = _spline(maps.shape[1], height), _spline(maps.shape[2], width)
    return rows @ np.asarray(maps, np.float32) @ columns.T


@functools.lru_cache(maxsize=64)
def _spline(cells, pixels):
    """[pixels, cells]: what each cell of a line adds to each pixel."""
    # SciPy's splines take a quarter of a second to import, which scoring without maps does not need.
    from scipy.interpolate import BSpline

    basis = BSpline.basis_element(np.arange(DEGREE + 2) - (DEGREE + 1) / 2, extrapolate=False)
    reach = (DEGREE + 1) // 2
    centres = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
    matrix = np.zeros((pixels, cells))
    for place in range(-reach, cells + reach):
        mirrored = place % (2 * cells)
        matrix[:, min(mirrored, 2 * cells - 1 - mirrored)] += np.nan_to_num(basis(centres - place))
    return matrix.astype(np.float32)


def to_grid(maps: jax.Array | np.ndarray, height: int, width: int) -> jax.Array:
    """Sums maps over the cells of a coarser grid: [B, H, W] -> [B, height, width] with the same sum.

    Cell i of n covers the pixels from `i H / n` to `(i + 1) H / n`; a pixel that lies in two cells is shared.

    Raises:
        ValueError: if the grid is finer than the maps.

    Example:
        >>> to_grid(np.arange(4.0).reshape(1, 1, 4), 1, 2).tolist()
        [[[1.0, 5.0]]]
    """
    if height > maps.shape[1] or width > maps.shape[2]:
        raise ValueError(
            f"the grid must not be finer than the maps, got {(height, width)} cells and {maps.shape[1:]} pixels"
        )
    # Along a side a pixel is as many units of `_overlap` long as there are cells.
    return _weighted(maps, _overlap(maps.shape[1], height) / height, _overlap(maps.shape[2], width) / width)


def average_to_grid(maps: jax.Array | np.ndarray, height: int, width: int) -> jax.Array:
    """Averages maps over the cells of a grid, which may be finer than the maps: [B, H, W] -> [B, height, width].

    Each cell averages exactly its part of the map, fractions of pixels included.
    """
    # Along a side a cell is as many units of `_overlap` long as there are pixels.
    return _weighted(
        maps, _overlap(maps.shape[1], height) / maps.shape[1], _overlap(maps.shape[2], width) / maps.shape[2]
    )


def _weighted(maps, rows, columns):
    return jnp.einsum(
        "bHW,hH,wW->bhw",
        jnp.asarray(maps, jnp.float32),
        rows.astype(np.float32),
        columns.astype(np.float32),
        precision="highest",
    )


def _overlap(pixels, cells):
    """How much of each cell of a line each pixel covers, [cells, pixels], in units of 1 / (pixels * cells) of the line.

    In these units pixels and cells both have whole-numbered ends, so nothing is rounded.
    """
    cell, pixel = np.arange(cells)[:, None] * pixels, np.arange(pixels) * cells
    return np.maximum(np.minimum(cell + pixels, pixel + cells) - np.maximum(cell, pixel), 0)
