"""Sums over the cells of maps, fast for float16 on CPUs too."""

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

MOST = 255  # Up to this many cells a sum is written out; beyond, the program would get too long.


def sum_cells(term: Callable[..., jax.Array], cells: jax.Array, *per_map: jax.Array, axis: int = 1) -> jax.Array:
    """Sum `term(z_i, *per_map)` over the cells of each map.

    Args:
        term: elementwise function of arrays that broadcast; its result is in the dtype to take sums in.
        cells: `[..., M, ...]`, floating point.
        *per_map: the shape of `cells` without `axis` each.
        axis: the axis of the `M` cells.

    Returns:
        The shape of `cells` without `axis`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling.summing import sum_cells
        >>> sum_cells(lambda z, shift: z - shift, jnp.array([3.0, 1.0, 2.0]).reshape(1, 3, 1), jnp.array([[1.0]]))
        Array([[3.]], dtype=float32)
    """

    def reduced(cells: jax.Array, *per_map: jax.Array) -> jax.Array:
        return jnp.sum(term(cells, *(jnp.expand_dims(one, axis) for one in per_map)), axis=axis)

    def written_out(cells: jax.Array, *per_map: jax.Array) -> jax.Array:
        each = [lax.index_in_dim(cells, i, axis, keepdims=False) for i in range(cells.shape[axis])]
        return functools.reduce(operator.add, (term(one, *per_map) for one in each))

    # Inside a reduction, XLA on CPU converts float16 one number at a time, at ten times the cost of everything else.
    few = isinstance(cells.shape[axis], int) and cells.shape[axis] <= MOST
    if cells.dtype != jnp.float16 or not few:
        return reduced(cells, *per_map)
    return lax.platform_dependent(cells, *per_map, cpu=written_out, default=reduced)
