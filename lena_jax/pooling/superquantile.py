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


def pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str = DEFAULT) -> jax.Array:
    """Average the `n` largest cells of every map: `sum_i clip(n - (i - 1), 0, 1) * z_(i) / n`.

    Args:
        cells: `[A, M, K]`, floating point; cells that do not count hold -inf.
        n: `[A, K]`, sizes in [1, M], in the dtype to take sums in.
        valid: which cells count, booleans `[A, M, K]`, or None for all.
        method: "select", or "sort" for the reference, which autodiff differentiates.

    Returns:
        `[A, K]` in the dtype of `cells`.

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
    return _sort_pool(cells, n) if method == "sort" else _select_pool(cells, n, valid)


def weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str = DEFAULT) -> jax.Array:
    """Return the weights of the cells, `dp/dz` above; NaN in maps that hold NaN.

    Arguments and errors are those of `pool`; the result is `[A, M, K]` in the dtype of `cells`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import superquantile
        >>> superquantile.weights(jnp.array([[[3.0], [1.0], [0.0], [2.0]]]), jnp.array([[2.0]]), None).ravel()
        Array([0.5, 0. , 0. , 0.5], dtype=float32)
    """
    _check_method(method)
    return _weights(cells, n, valid, method)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, expected one of {METHODS}")


@jax.jit
def _sort_pool(cells: jax.Array, n: jax.Array) -> jax.Array:
    return sorting.sorted_pool(cells.astype(n.dtype), n).astype(cells.dtype)


@jax.jit
def _select_pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None) -> jax.Array:
    return _pool(cells, n, valid)


@functools.partial(jax.jit, static_argnames="method")
def _weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str) -> jax.Array:
    if method == "sort":
        found = sorting.sorted_find(cells, _rank(n, cells), valid)
    else:
        found = selection.kth_largest(cells, _rank(n, cells), valid)
    w = _closed_form(cells, n, found, valid).astype(cells.dtype)
    return jnp.where(jnp.isnan(cells).any(1, keepdims=True), jnp.nan, w)


def _rank(n: jax.Array, cells: jax.Array) -> jax.Array:
    # The bounds only matter for an eta outside [0, 1], which cannot be seen under jit.
    return jnp.clip(jnp.ceil(n).astype(jnp.int32), 1, cells.shape[1])


@jax.custom_jvp
def _pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None) -> jax.Array:
    t, _ = _threshold(cells, n, valid)
    return _mean_from(cells, n, t)


@functools.partial(_pool.defjvp, symbolic_zeros=True)
def _pool_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[jax.Array, jax.Array]:
    cells, n, valid = primals
    d_cells, d_n, _ = tangents
    t, found = _threshold(cells, n, valid)
    p = _mean_from(cells, n, t)
    d_p = jnp.zeros(n.shape, n.dtype)
    if not isinstance(d_cells, SymbolicZero):
        d_p = d_p + jnp.sum(_closed_form(cells, n, found, valid) * d_cells.astype(n.dtype), axis=1)
    if not isinstance(d_n, SymbolicZero):
        d_p = d_p + (t.astype(n.dtype) - p.astype(n.dtype)) / n * d_n
    return p, d_p.astype(cells.dtype)


@jax.custom_jvp
def _threshold(cells: jax.Array, n: jax.Array, valid: jax.Array | None) -> tuple[jax.Array, selection.Found]:
    """Return the cell of rank ceil(n), and what `kth_largest` found about it."""
    found = selection.kth_largest(cells, _rank(n, cells), valid)
    return selection.to_float(found.key, cells.dtype), found


@functools.partial(_threshold.defjvp, symbolic_zeros=True)
def _threshold_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Share dt/dz equally among tied cells; dt/dn is 0. Second derivatives of `_pool` need both."""
    cells, n, valid = primals
    d_cells = tangents[0]
    t, found = _threshold(cells, n, valid)
    d_t = jnp.zeros(n.shape, n.dtype)
    if not isinstance(d_cells, SymbolicZero):
        level = selection.ordered(cells, valid) == found.key[:, None]
        share = jnp.where(level, 1 / jnp.maximum(found.equal, 1).astype(n.dtype)[:, None], 0.0)
        d_t = jnp.sum(share * d_cells.astype(n.dtype), axis=1)
    no_tangent = jax.tree.map(lambda part: np.zeros(part.shape, jax.dtypes.float0), found)
    return (t, found), (d_t.astype(t.dtype), no_tangent)


def _mean_from(cells: jax.Array, n: jax.Array, t: jax.Array) -> jax.Array:
    t = t.astype(n.dtype)
    # Without the barrier, XLA on CPU recomputes the values of a map for every cell.
    t, from_t, share = lax.optimization_barrier((t, jnp.where(jnp.isfinite(t), t, 0.0), 1 / n))

    def above(z: jax.Array, t: jax.Array, from_t: jax.Array, share: jax.Array) -> jax.Array:
        z = z.astype(n.dtype)
        # `not <=` lets NaN through. The division comes before the sum, which could overflow.
        return jnp.where(z <= t, 0.0, z - from_t) * share

    return (t + sum_cells(above, cells, t, from_t, share)).astype(cells.dtype)


def _closed_form(cells: jax.Array, n: jax.Array, found: selection.Found, valid: jax.Array | None) -> jax.Array:
    """Return dp/dz `[A, M, K]` in the dtype of `n`; compares integers, since CPUs treat subnormal floats as zero."""
    rest = (n - found.above.astype(n.dtype)) / (n * jnp.maximum(found.equal, 1).astype(n.dtype))
    t, share, rest = lax.optimization_barrier((found.key, 1 / n, rest))  # as in _mean_from
    key = selection.ordered(cells, valid)
    return jnp.where(key > t[:, None], share[:, None], jnp.where(key == t[:, None], rest[:, None], 0.0))
