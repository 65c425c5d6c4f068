"""The reference that follows the formula of LENA pooling: sort the map, and apply the soft mask to the ranks."""

import jax
import jax.numpy as jnp

from lena_jax.pooling.selection import Found, ordered


def sorted_pool(cells: jax.Array, n: jax.Array, axis: int = 1) -> jax.Array:
    """Average the `n` largest cells of every map: `sum_i clip(n - (i - 1), 0, 1) * z_(i) / n`.

    Plain autodiff differentiates it in both arguments. Where cells tie at the border of the support, the gradient
    follows the order of the sort instead of sharing equally.

    Args:
        cells: `[..., M, ...]` in the dtype to accumulate in; -inf where they do not count.
        n: sizes of the supports, real numbers in [1, M], one for each map.
        axis: the axis of the `M` cells.

    Returns:
        One number for each map.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling.sorting import sorted_pool
        >>> sorted_pool(jnp.array([3.0, 1.0, 0.0, 2.0]).reshape(1, 4, 1), jnp.array([[2.0]]))
        Array([[2.5]], dtype=float32)
    """
    z = jnp.flip(jnp.sort(cells, axis=axis), axis=axis)
    n = jnp.expand_dims(n, axis)
    rank = jnp.arange(cells.shape[axis], dtype=n.dtype)
    rank = jnp.expand_dims(rank, [a for a in range(cells.ndim) if a != axis])
    mask = jnp.clip(n - rank, 0.0, 1.0)
    inside = mask > 0  # keeps 0 * inf out of the sum
    # NaN is sorted first, and reaches the sum through rank 1.
    return jnp.sum(jnp.where(inside, z, 0.0) * (mask / n), axis=axis)


def sorted_find(cells: jax.Array, k: jax.Array, valid: jax.Array | None = None, axis: int = 1) -> Found:
    """Find the `k`-th largest cell of every map by sorting; arguments and result as in `selection.kth_largest`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import selection, sorting
        >>> found = sorting.sorted_find(jnp.array([3.0, 1.0, 0.0, 2.0]).reshape(1, 4, 1), jnp.array([[2]]))
        >>> selection.to_float(found.key, jnp.float32)
        Array([[2.]], dtype=float32)
    """
    key = ordered(cells, valid)
    rank = jnp.expand_dims(k, axis) - 1
    t = jnp.take_along_axis(jnp.flip(jnp.sort(key, axis=axis), axis=axis), rank, axis=axis)
    above, equal = (compared.sum(axis, dtype=jnp.int32) for compared in (key > t, key == t))
    return Found(jnp.squeeze(t, axis), above, equal)
