"""Maps from the grid of the trunk to the pixels of the picture and back, sign and level kept."""

import jax
import jax.numpy as jnp


def upsample(maps, height, width):
    """Enlarges maps [B, h, w] to [B, height, width] bilinearly, sign and level kept."""
    return jax.image.resize(maps, (maps.shape[0], height, width), "bilinear")


def to_grid(maps, height, width):
    """Sums maps over the cells of a coarser grid: [B, H, W] -> [B, height, width] with the same sum.

    Cell i of n covers the pixels from `i H / n` to `(i + 1) H / n`; a pixel that lies in two cells is shared.

    Raises:
        ValueError: if the grid is finer than the maps.
    """
    if height > maps.shape[1] or width > maps.shape[2]:
        raise ValueError(f"the grid must not be finer than the maps, got {(height, width)} cells and {maps.shape[1:]} "
                         "pixels")
    return jnp.einsum("bHW,hH,wW->bhw", maps.astype(jnp.float32), _shares(height, maps.shape[1]),
                      _shares(width, maps.shape[2]), precision="highest")


def _shares(cells, pixels):
    """The share of each pixel in each cell of a line, [cells, pixels]."""
    edges = jnp.arange(cells + 1) * (pixels / cells)
    starts = jnp.arange(pixels, dtype=jnp.float32)
    overlap = (jnp.minimum(edges[1:, None], starts[None] + 1) - jnp.maximum(edges[:-1, None], starts[None]))
    return jnp.maximum(overlap, 0)
