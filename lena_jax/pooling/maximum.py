"""Max pooling: the largest cell of every map."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import lay_out


def max_pool(x: ArrayLike, **options: Any) -> jax.Array:
    """Take the maximum of every map: `max_i z_i`.

    Tied cells share the gradient equally. Arguments and errors are those of `lay_out`: by default, `x` is
    `[..., H, W, C]` and the result `[..., C]`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import max_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> max_pool(feature_map)
        Array([3.], dtype=float32)
        >>> max_pool(feature_map, window=(1, 2))[..., 0]  # the maximum of each row
        Array([[3.],
               [2.]], dtype=float32)
    """
    layout = lay_out(x, **options)
    return layout.pooled(jnp.max(layout.cells, axis=1))


def max_weights(x: ArrayLike, **options: Any) -> jax.Array:
    """Return 1 at the largest cell, shared equally by tied cells, in the shape of `x`.

    Arguments and errors are those of `max_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import max_weights
        >>> max_weights(jnp.array([[[3.0], [1.0], [3.0]]])).ravel()  # one row of three cells, one channel
        Array([0.5, 0. , 0.5], dtype=float32)
    """
    layout = lay_out(x, **options)
    return layout.spread(_max_weights(layout.cells, layout.valid))


class MaxPool(Pooling):
    """Max pooling, see `max_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import MaxPool
        >>> MaxPool().apply({}, jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])
        Array([3.], dtype=float32)
    """

    functions = max_pool, max_weights


@jax.jit
def _max_weights(cells: jax.Array, valid: jax.Array | None) -> jax.Array:
    top = cells == jnp.max(cells, axis=1, keepdims=True)
    if valid is not None:
        top = top & valid
    # NaN equals nothing, so its map gets 0 / 0, which is NaN.
    return (top / top.sum(1, keepdims=True, dtype=jnp.float32)).astype(cells.dtype)


RECORD = PoolingRecord("max", "max", MaxPool, max_pool, max_weights, value="maximum")
