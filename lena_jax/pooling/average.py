"""Average pooling: the mean of every map."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import lay_out, sum_dtype
from lena_jax.pooling.mesh import compiled
from lena_jax.pooling.summing import sum_cells


def average_pool(x: ArrayLike, **options: Any) -> jax.Array:
    """Average every map: `sum_i z_i / M`.

    Sums are taken in float32 or wider. Arguments and errors are those of `lay_out`: by default, `x` is `[..., H, W, C]`
    and the result `[..., C]`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import average_pool
        >>> average_pool(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])  # H = W = 2, one channel
        Array([1.5], dtype=float32)
    """
    layout = lay_out(x, **options)
    return _average(layout.cells, layout.valid, layout.axis)


def average_weights(x: ArrayLike, **options: Any) -> jax.Array:
    """Return `1 / M` at every cell that counts, in the shape of `x`.

    Arguments and errors are those of `average_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import average_weights
        >>> average_weights(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])[..., 0]
        Array([[0.25, 0.25],
               [0.25, 0.25]], dtype=float32)
    """
    layout = lay_out(x, **options)
    return layout.spread(_average_weights(layout.cells, layout.valid, layout.axis))


class AveragePool(Pooling):
    """Average pooling, the mean of every map or window, see `average_pool`.

    Example:
        >>> import jax
        >>> from lena_jax.pooling import AveragePool
        >>> AveragePool(window=7).apply({}, jax.numpy.ones((14, 14, 512))).shape
        (2, 2, 512)
    """

    functions = average_pool, average_weights


@compiled("axis")
def _average(cells: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    dtype = sum_dtype(cells.dtype)
    if valid is None:
        return (sum_cells(lambda z: z.astype(dtype), cells, axis=axis) / cells.shape[axis]).astype(cells.dtype)
    shares = jnp.where(valid, cells.astype(dtype) * _average_weights(cells, valid, axis, dtype), 0.0)
    return jnp.sum(shares, axis=axis).astype(cells.dtype)


def _average_weights(cells: jax.Array, valid: jax.Array | None, axis: int, dtype: DTypeLike | None = None) -> jax.Array:
    dtype = dtype or cells.dtype
    if valid is None:
        return jnp.full_like(cells, 1 / cells.shape[axis], dtype)
    count = valid.sum(axis, keepdims=True, dtype=jnp.float32)
    return (valid.astype(jnp.float32) / count).astype(dtype)


RECORD = PoolingRecord("average", "average", AveragePool, average_pool, average_weights, value="mean")
