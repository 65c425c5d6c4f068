"""The mean of the `n` largest cells of a map, `n` a real number, and the weights with which it averages them."""

import functools

import jax
import jax.numpy as jnp

from lena_jax.pooling import sorting

METHODS = ("sort",)
DEFAULT = "sort"


def pool(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str) -> jax.Array:
    """`sum_i clip(n - (i - 1), 0, 1) * z_(i) / n` for maps `[A, M, K]` and sizes `[A, K]`; returns `[A, K]`."""
    _check_method(method)
    return _sort_pool(cells, n)


def weights(cells: jax.Array, n: jax.Array, valid: jax.Array | None, method: str) -> jax.Array:
    """Weights `[A, M, K]` of the cells: 1/n above the threshold, the rest shared equally by the cells at it."""
    _check_method(method)
    return _weights(cells, n, valid, method)


@jax.jit
def _sort_pool(cells, n):
    return sorting.sorted_pool(cells.astype(n.dtype), n).astype(cells.dtype)


@functools.partial(jax.jit, static_argnames="method")
def _weights(cells, n, valid, method):
    z = cells.astype(n.dtype)
    t = sorting.sorted_threshold(z, jnp.ceil(n).astype(jnp.int32))
    w = closed_form_weights(z, n, t, valid)
    return w.astype(cells.dtype)


def closed_form_weights(z, n, t, valid):
    """dp/dz from the threshold `t`: 1/n where z > t, (n - #{z > t}) / n shared equally where z == t, else 0."""
    n, t = n[:, None, :], t[:, None, :]
    above, level = z > t, z == t
    if valid is not None:
        above, level = above & valid, level & valid
    left = n - above.sum(1, keepdims=True, dtype=n.dtype)
    ties = jnp.maximum(level.sum(1, keepdims=True, dtype=n.dtype), 1)
    w = jnp.where(above, 1 / n, jnp.where(level, left / (n * ties), 0.0))
    return jnp.where(jnp.isnan(t), jnp.nan, w)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, expected one of {METHODS}")
