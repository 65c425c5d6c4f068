"""Max pooling: the largest cell of every map."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import lay_out
from lena_jax.pooling.mesh import compiled


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
    return _max(layout.cells, layout.valid, layout.axis)


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
    return layout.spread(_max_weights(layout.cells, layout.valid, layout.axis))


class MaxPool(Pooling):
    """Max pooling, see `max_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import MaxPool
        >>> MaxPool().apply({}, jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])
        Array([3.], dtype=float32)
    """

    functions = max_pool, max_weights


@compiled("axis")
def _max(cells: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    return _pool(axis, _candidates(cells, valid))


@compiled("axis")
def _max_weights(cells: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    weights = _shares(_candidates(cells, valid), axis)
    # A map of -inf alone has its maximum where no cell counts as well.
    return weights if valid is None else jnp.where(valid, weights, jnp.zeros_like(weights))


def _candidates(cells: jax.Array, valid: jax.Array | None) -> jax.Array:
    return cells if valid is None else jnp.where(valid, cells, -jnp.inf)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _pool(axis: int, cells: jax.Array) -> jax.Array:
    return jnp.max(cells, axis=axis)


@_pool.defjvp
def _pool_jvp(axis: int, primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (cells,), (d_cells,) = primals, tangents
    return _pool(axis, cells), jnp.sum(_shares(cells, axis) * d_cells, axis=axis)


def _shares(cells: jax.Array, axis: int) -> jax.Array:
    cells = lax.platform_dependent(cells, cpu=_stored, default=lax.optimization_barrier)
    equal = cells == jnp.max(cells, axis=axis, keepdims=True)
    # NaN equals nothing, so its map gets 0 / 0, which is NaN.
    return (equal.astype(jnp.float32) / equal.sum(axis, keepdims=True, dtype=jnp.float32)).astype(cells.dtype)


def _stored(cells: jax.Array) -> jax.Array:
    # XLA on CPU may compute the cells anew where they are compared with their maximum, and round differently, as a
    # product and a sum here and fused into one there: then no cell is the maximum. What a loop returns is stored; a
    # barrier, or a loop that is seen to change nothing, is removed too early.
    return lax.fori_loop(0, 2, lambda i, cells: jnp.where(i > 1, -cells, cells), cells)


RECORD = PoolingRecord("max", "max", MaxPool, max_pool, max_weights, value="maximum")
