"""Resize maps from the cells of the feature map to pixels and back, keeping sign and level."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

DEGREE = 5  # Degree of the B-spline, whose standard deviation is then 0.7 cells.


def upsample(maps: jax.Array | np.ndarray, height: int, width: int) -> np.ndarray:
    """Enlarges maps [B, h, w] to [B, height, width] as smooth surfaces, keeping sign and level.

    `map(y, x) = sum_ij cell_ij B(y - i) B(x - j)`, where B is the B-spline of degree 5 in units of a cell, and cells
    are mirrored at the edges. B is not negative and its copies sum to 1. So no value leaves the range of the cells and
    a constant map stays constant. If a cell is a whole number of pixels, the mean of the map stays the same. The map is
    smooth because a cell of the backbone also sees its neighbours: a contribution need not lie at the centre of its
    cell. docs/evaluation.md compares this with bilinear enlargement on `planted`, whose objects are known.

    This uses NumPy because pictures have thousands of sizes, and JAX would compile and keep a program for each.

    Returns:
        [B, height, width] float32.

    Reference: Unser, Splines: A Perfect Fit for Signal and Image Processing, IEEE Signal Processing Magazine 1999.
    """
    rows, columns = _spline(maps.shape[1], height), _spline(maps.shape[2], width)
    return rows @ np.asarray(maps, np.float32) @ columns.T


@functools.lru_cache(maxsize=64)
def _spline(cells, pixels):
    """Computes the weight of each cell in each pixel along one axis: [pixels, cells]."""
    # scipy.interpolate takes a quarter of a second to import, and scoring without maps does not need it.
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

    Cell i of n covers the pixels from `i H / n` to `(i + 1) H / n`. A pixel in two cells is divided between them.

    Raises:
        ValueError: the grid is finer than the maps.

    Example:
        >>> to_grid(np.arange(4.0).reshape(1, 1, 4), 1, 2).tolist()
        [[[1.0, 5.0]]]
    """
    if height > maps.shape[1] or width > maps.shape[2]:
        raise ValueError(
            f"the grid must not be finer than the maps, got {(height, width)} cells and {maps.shape[1:]} pixels"
        )
    # In units of `_overlap`, the length of a pixel is the number of cells.
    return _weighted(maps, _overlap(maps.shape[1], height) / height, _overlap(maps.shape[2], width) / width)


def on_picture(maps: jax.Array | np.ndarray, height: int, width: int, resize: str = "squash") -> np.ndarray:
    """Enlarges maps of what the network saw to the whole picture: [B, h, w] -> [B, height, width].

    Args:
        maps: [B, h, w].
        height, width: height and width of the picture, in pixels.
        resize: how the picture became the square that the network saw. With "squash" a map covers the picture; with
            "pad" it covers more, which is cut off; with "crop" it covers the square in the middle, and is 0 elsewhere.
    """
    if resize == "squash" or height == width:
        return upsample(maps, height, width)
    side = max(height, width) if resize == "pad" else min(height, width)
    top, left = abs(height - side) // 2, abs(width - side) // 2
    full = upsample(maps, side, side)
    if resize == "pad":
        return full[:, top : top + height, left : left + width]
    beside = ((0, 0), (top, height - side - top), (left, width - side - left))
    return np.pad(full, beside)


def average_to_grid(maps: jax.Array | np.ndarray, height: int, width: int) -> jax.Array:
    """Averages maps over the cells of a grid, which may be finer than the maps: [B, H, W] -> [B, height, width].

    Each cell averages exactly its region of the map, including fractions of pixels.
    """
    # In units of `_overlap`, the length of a cell is the number of pixels.
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
    """Computes the overlap of each cell with each pixel along one axis, [cells, pixels].

    The unit is 1 / (pixels * cells) of the axis: in it, pixels and cells have integer ends, so nothing is rounded.
    """
    cell, pixel = np.arange(cells)[:, None] * pixels, np.arange(pixels) * cells
    return np.maximum(np.minimum(cell + pixels, pixel + cells) - np.maximum(cell, pixel), 0)
