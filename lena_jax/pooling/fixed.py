"""Poolings with nothing to learn: average, maximum, and the mean of the n largest cells.

All take the options of `lay_out` by keyword (`axis`, `window`, `strides`, `padding`, `where`) and raise its errors.
"""

import jax
import jax.numpy as jnp

from lena_jax.pooling import superquantile
from lena_jax.pooling.layout import lay_out
from lena_jax.pooling.summing import sum_cells


def average_pool(x, **options) -> jax.Array:
    """Means of the maps, `sum_i z_i / M`: `[..., H, W, C]` to `[..., C]`. Sums are float32 at least."""
    layout = lay_out(x, **options)
    return layout.pooled(_average(layout.cells, layout.valid))


def average_weights(x, **options) -> jax.Array:
    """`1 / M` at every cell that counts, in the shape of `x`."""
    layout = lay_out(x, **options)
    return layout.spread(_average_weights(layout.cells, layout.valid))


def max_pool(x, **options) -> jax.Array:
    """Maxima of the maps, `max_i z_i`: `[..., H, W, C]` to `[..., C]`; the gradient is shared equally by ties."""
    layout = lay_out(x, **options)
    return layout.pooled(jnp.max(layout.cells, axis=1))


def max_weights(x, **options) -> jax.Array:
    """1 at the largest cell, shared equally by ties, in the shape of `x`."""
    layout = lay_out(x, **options)
    return layout.spread(_max_weights(layout.cells, layout.valid))


def top_n_pool(x, n, *, method: str = superquantile.DEFAULT, **options) -> jax.Array:
    """Means of the `n` largest cells of every map, `sum_{i <= n} z_(i) / n`: `[..., H, W, C]` to `[..., C]`.

    Args:
      x: `[..., H, W, C]`.
      n: a number of cells from 1 to H*W; a fraction counts the last cell in part. Maps (windows) that have fewer
        cells under `where` or at the border pool all of theirs.
      method: as in `lena_pool`.
      **options: as in `lay_out`.

    Raises:
      ValueError: `n` outside of 1 to H*W, and the errors of `lay_out`.
    """
    layout, sizes = _top_n(x, n, options)
    return layout.pooled(superquantile.pool(layout.cells, sizes, layout.valid, method))


def top_n_weights(x, n, *, method: str = superquantile.DEFAULT, **options) -> jax.Array:
    """`1 / n` at the `n` largest cells, the last ones shared equally by ties, in the shape of `x`."""
    layout, sizes = _top_n(x, n, options)
    return layout.spread(superquantile.weights(layout.cells, sizes, layout.valid, method))


def _top_n(x, n, options):
    layout = lay_out(x, **options)
    return layout, fixed_size(layout, n, "n")


def fixed_size(layout, n, name: str) -> jax.Array:
    """Sizes `[A, K]` of supports of `n` cells, at most all cells that count."""
    m = layout.cells.shape[1]
    if not 1 <= n <= m:
        raise ValueError(f"{name} must lie in 1 to the number of cells: got {n}, expected 1 to {m}")
    dtype = jnp.promote_types(layout.cells.dtype, jnp.float32)
    count = layout.per_map(n, name, dtype)
    return count if layout.valid is None else jnp.minimum(count, layout.count().astype(dtype))


@jax.jit
def _average(cells, valid):
    dtype = jnp.promote_types(cells.dtype, jnp.float32)
    if valid is None:
        return (sum_cells(lambda z: z.astype(dtype), cells) / cells.shape[1]).astype(cells.dtype)
    shares = jnp.where(valid, cells.astype(dtype) * _average_weights(cells, valid, dtype), 0.0)
    return jnp.sum(shares, axis=1).astype(cells.dtype)


def _average_weights(cells, valid, dtype=None):
    dtype = dtype or cells.dtype
    if valid is None:
        return jnp.full(cells.shape, 1 / cells.shape[1], dtype)
    count = valid.sum(1, keepdims=True, dtype=jnp.float32)
    return (valid / count).astype(dtype)


@jax.jit
def _max_weights(cells, valid):
    top = cells == jnp.max(cells, axis=1, keepdims=True)
    if valid is not None:
        top = top & valid
    # NaN equals nothing: 0 / 0 is the NaN that its map gets.
    return (top / top.sum(1, keepdims=True, dtype=jnp.float32)).astype(cells.dtype)
