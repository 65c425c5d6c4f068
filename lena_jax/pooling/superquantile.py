"""The mean of the `n` largest cells of a map, where `n` is a real number, and its derivatives in closed form.

With `t` the cell of rank `ceil(n)` and `G = #{z > t}`::

    p       = t + sum_i max(z_i - t, 0) / n
    dp/dz_i = 1/n where z_i > t; (n - G) / (n * #{z == t}) where z_i == t; else 0
    dp/dn   = (t - p) / n

Only `t` has to be searched for; nothing is sorted.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lena_jax.pooling import selection, sorting
from lena_jax.pooling.summing import sum_cells

METHODS = ("select", "sort")
DEFAULT = "select"


def pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str = DEFAULT, axis: int = 1) -> jax.Array:
    """Average the `n` largest cells of every map: `sum_i clip(n - (i - 1), 0, 1) * z_(i) / n`.

    Args:
        cells: `[..., M, ...]`, floating point.
        n: sizes in [1, M], one for each map, in the dtype to take sums in: the shape of `cells` without `axis`.
        valid: which cells count, booleans in the shape of `cells`, or None for all.
        method: "select", or "sort" for the reference, which autodiff differentiates.
        axis: the axis of the `M` cells.

    Returns:
        The shape of `n`, in the dtype of `cells`.

    Raises:
        ValueError: if the method is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import superquantile
        >>> cells = jnp.array([3.0, 1.0, 0.0, 2.0]).reshape(1, 4, 1)
        >>> superquantile.pool(cells, jnp.array([[1.5]]), None)  # (3 + 0.5 * 2) / 1.5
        Array([[2.6666667]], dtype=float32)
    """
    _check_method(method)
    return (_sort_pool if method == "sort" else _select_pool)(cells, n, valid, axis)


def weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str = DEFAULT, axis: int = 1) -> jax.Array:
    """Return the weights of the cells, `dp/dz` above; NaN in maps that hold NaN.

    Arguments and errors are those of `pool`; the result has the shape and dtype of `cells`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import superquantile
        >>> superquantile.weights(jnp.array([[[3.0], [1.0], [0.0], [2.0]]]), jnp.array([[2.0]]), None).ravel()
        Array([0.5, 0. , 0. , 0.5], dtype=float32)
    """
    _check_method(method)
    return _weights(cells, n, valid, method, axis)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, expected one of {METHODS}")


@functools.partial(jax.jit, static_argnames="axis")
def _sort_pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    return sorting.sorted_pool(_candidates(cells, valid).astype(n.dtype), n, axis).astype(cells.dtype)


@functools.partial(jax.jit, static_argnames="axis")
def _select_pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    return _pool(axis, _candidates(cells, valid), n, valid)


@functools.partial(jax.jit, static_argnames=("method", "axis"))
def _weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str, axis: int) -> jax.Array:
    cells = _candidates(cells, valid)
    find = sorting.sorted_find if method == "sort" else selection.kth_largest
    found = find(cells, _rank(n, cells.shape[axis]), valid, axis)
    w = _closed_form(cells, n, found, valid, axis).astype(cells.dtype)
    return jnp.where(jnp.isnan(cells).any(axis, keepdims=True), jnp.nan, w)


def _candidates(cells: jax.Array, valid: jax.Array | None) -> jax.Array:
    """Put -inf where cells do not count, so that they are never among the largest."""
    return cells if valid is None else jnp.where(valid, cells, -jnp.inf)


def _rank(n: jax.Array, m: int) -> jax.Array:
    # The bounds only matter for an eta outside [0, 1], which cannot be seen under jit.
    return jnp.clip(jnp.ceil(n).astype(jnp.int32), 1, m)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _pool(axis: int, cells: jax.Array, n: jax.Array, valid: jax.Array | None) -> jax.Array:
    t, _ = _threshold(axis, cells, n, valid)
    return _mean_from(cells, n, t, axis)


@functools.partial(_pool.defjvp, symbolic_zeros=True)
def _pool_jvp(axis: int, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
    cells, n, valid = primals
    d_cells, d_n, _ = tangents
    t, found = _threshold(axis, cells, n, valid)
    p = _mean_from(cells, n, t, axis)
    d_p = jnp.zeros_like(n)
    if not isinstance(d_cells, SymbolicZero):
        d_p = d_p + jnp.sum(_closed_form(cells, n, found, valid, axis) * d_cells.astype(n.dtype), axis=axis)
    if not isinstance(d_n, SymbolicZero):
        d_p = d_p + (t.astype(n.dtype) - p.astype(n.dtype)) / n * d_n
    return p, d_p.astype(cells.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _threshold(axis: int, cells: jax.Array, n: jax.Array, valid: jax.Array | None) -> tuple[jax.Array, selection.Found]:
    """Return the cell of rank ceil(n), and what `kth_largest` found about it."""
    found = selection.kth_largest(cells, _rank(n, cells.shape[axis]), valid, axis)
    return selection.to_float(found.key, cells.dtype), found


@functools.partial(_threshold.defjvp, symbolic_zeros=True)
def _threshold_jvp(axis: int, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Share dt/dz equally among tied cells; dt/dn is 0. Second derivatives of `_pool` need both."""
    cells, n, valid = primals
    d_cells = tangents[0]
    t, found = _threshold(axis, cells, n, valid)
    d_t = jnp.zeros_like(n)
    if not isinstance(d_cells, SymbolicZero):
        level = selection.ordered(cells, valid) == jnp.expand_dims(found.key, axis)
        share = jnp.expand_dims(1 / jnp.maximum(found.equal, 1).astype(n.dtype), axis)
        d_t = jnp.sum(jnp.where(level, share, 0.0) * d_cells.astype(n.dtype), axis=axis)
    no_tangent = jax.tree.map(lambda part: np.zeros(part.shape, jax.dtypes.float0), found)
    return (t, found), (d_t.astype(t.dtype), no_tangent)


def _mean_from(cells: jax.Array, n: jax.Array, t: jax.Array, axis: int) -> jax.Array:
    t = t.astype(n.dtype)
    # Without the barrier, XLA on CPU recomputes the values of a map for every cell.
    t, from_t, share = lax.optimization_barrier((t, jnp.where(jnp.isfinite(t), t, 0.0), 1 / n))

    def above(z: jax.Array, t: jax.Array, from_t: jax.Array, share: jax.Array) -> jax.Array:
        z = z.astype(n.dtype)
        # `not <=` lets NaN through. The division comes before the sum, which could overflow.
        return jnp.where(z <= t, 0.0, z - from_t) * share

    return (t + sum_cells(above, cells, t, from_t, share, axis=axis)).astype(cells.dtype)


def _closed_form(
    cells: jax.Array, n: jax.Array, found: selection.Found, valid: jax.Array | None, axis: int
) -> jax.Array:
    """Return dp/dz in the dtype of `n`; compares integers, since CPUs treat subnormal floats as zero."""
    rest = (n - found.above.astype(n.dtype)) / (n * jnp.maximum(found.equal, 1).astype(n.dtype))
    per_map = lax.optimization_barrier((found.key, 1 / n, rest))  # as in _mean_from
    t, share, rest = (jnp.expand_dims(one, axis) for one in per_map)
    key = selection.ordered(cells, valid)
    return jnp.where(key > t, share, jnp.where(key == t, rest, 0.0))
