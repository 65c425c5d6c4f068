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
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lena_jax.pooling import selection, sorting
from lena_jax.pooling.mesh import compiled
from lena_jax.pooling.search import find_and_average, rank

METHODS = ("select", "portable", "sort")
DEFAULT = "select"


def pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str = DEFAULT, axis: int = 1) -> jax.Array:
    """Average the `n` largest cells of every map: `sum_i clip(n - (i - 1), 0, 1) * z_(i) / n`.

    Args:
        cells: `[..., M, ...]`, floating point.
        n: sizes in [1, M], one for each map, in the dtype to take sums in: the shape of `cells` without `axis`.
        valid: which cells count, booleans in the shape of `cells`, or None for all.
        method: "select", "portable" to do without kernels, or "sort" for the reference, which autodiff differentiates.
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
    return _sort_pool(cells, n, valid, axis) if method == "sort" else _select_pool(cells, n, valid, method, axis)


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


@compiled("axis")
def _sort_pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    return sorting.sorted_pool(_candidates(cells, valid).astype(n.dtype), n, axis).astype(cells.dtype)


@compiled("method", "axis")
def _select_pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str, axis: int) -> jax.Array:
    return _search((axis, method == "select"), _candidates(cells, valid), n, valid)[0]


@compiled("method", "axis")
def _weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str, axis: int) -> jax.Array:
    cells = _candidates(cells, valid)
    if method == "sort":
        found = sorting.sorted_find(cells, rank(n, cells.shape[axis]), valid, axis)
    else:
        _, found = find_and_average(cells, n, valid, axis, method == "select")
    w = _closed_form(cells, n, found, valid, axis).astype(cells.dtype)
    return jnp.where(jnp.isnan(cells).any(axis, keepdims=True), jnp.nan, w)


def _candidates(cells: jax.Array, valid: jax.Array | None) -> jax.Array:
    """Put -inf where cells do not count, so that they are never among the largest."""
    return cells if valid is None else jnp.where(valid, cells, -jnp.inf)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _search(
    how: tuple[int, bool], cells: jax.Array, n: jax.Array, valid: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Return the averages, the cells of rank ceil(n), and how many are larger and equal; `how`: axis, kernels.

    The counts are in the dtype of `n`, since tangents of integers have neither sharding nor symbolic shape.
    """
    p, found = find_and_average(cells, n, valid, *how)
    t = selection.to_float(found.key, cells.dtype)
    return p, t, found.above.astype(n.dtype), found.equal.astype(n.dtype)


@functools.partial(_search.defjvp, symbolic_zeros=True)
def _search_jvp(how: tuple[int, bool], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Differentiate the averages, and the cells of rank ceil(n), which second derivatives need.

    Tied cells share dt/dz equally; dt/dn is 0.
    """
    cells, n, valid = primals
    d_cells, d_n, _ = tangents
    axis = how[0]
    p, t, above, equal = _search(how, cells, n, valid)
    none = jnp.zeros_like(n)
    d_p, d_t = none, none
    if not isinstance(d_cells, SymbolicZero):
        d_wide = d_cells.astype(n.dtype)
        found = selection.Found(lax.stop_gradient(selection.ordered(t)), above, equal)
        d_p = d_p + jnp.sum(_closed_form(cells, n, found, valid, axis) * d_wide, axis=axis)
        level = selection.ordered(cells, valid) == jnp.expand_dims(found.key, axis)
        share = jnp.expand_dims(1 / jnp.maximum(equal, 1), axis)
        d_t = jnp.sum(jnp.where(level, share, 0.0) * d_wide, axis=axis)
    if not isinstance(d_n, SymbolicZero):
        d_p = d_p + (t.astype(n.dtype) - p.astype(n.dtype)) / n * d_n
    return (p, t, above, equal), (d_p.astype(p.dtype), d_t.astype(t.dtype), none, none)


def _closed_form(
    cells: jax.Array, n: jax.Array, found: selection.Found, valid: jax.Array | None, axis: int
) -> jax.Array:
    """Return dp/dz in the dtype of `n`; compares integers, since CPUs treat subnormal floats as zero."""
    rest = (n - found.above.astype(n.dtype)) / (n * jnp.maximum(found.equal, 1).astype(n.dtype))
    per_map = lax.optimization_barrier((found.key, 1 / n, rest))  # as in `mean_from`
    t, share, rest = (jnp.expand_dims(one, axis) for one in per_map)
    key = selection.ordered(cells, valid)
    return jnp.where(key > t, share, jnp.where(key == t, rest, 0.0))
