"""The reference: sort the map, lay the soft mask over the ranks, as the formula of LENA pooling reads."""

import jax
import jax.numpy as jnp

from lena_jax.pooling.selection import Found, ordered


def sorted_pool(cells: jax.Array, n: jax.Array) -> jax.Array:
    """Means of the `n` largest cells: `sum_i clip(n - (i - 1), 0, 1) * z_(i) / n`.

    Differentiable in both arguments by plain autodiff; where cells tie at the border of the support, its gradient
    follows the order of the sort instead of sharing equally.

    Args:
      cells: `[A, M, K]` in the dtype to accumulate in.
      n: `[A, K]`, sizes of the supports, real numbers in [1, M].

    Returns:
      `[A, K]`.
    """
    z = jnp.flip(jnp.sort(cells, axis=1), axis=1)
    rank = jnp.arange(cells.shape[1], dtype=n.dtype)[None, :, None]
    mask = jnp.clip(n[:, None, :] - rank, 0.0, 1.0)
    inside = mask > 0  # keeps 0 * inf out of the sum
    # NaN sorts first and reaches the sum through rank 1.
    return jnp.sum(jnp.where(inside, z, 0.0) * (mask / n[:, None, :]), axis=1)


def sorted_find(cells: jax.Array, k: jax.Array, valid: jax.Array | None = None) -> Found:
    """Finds the `k`-th largest cell of every map like `selection.kth_largest`, by sorting."""
    key = ordered(cells, valid)
    t = jnp.take_along_axis(jnp.flip(jnp.sort(key, axis=1), axis=1), k[:, None, :] - 1, axis=1)
    above, equal = (compared.sum(1, dtype=jnp.int32) for compared in (key > t, key == t))
    return Found(t[:, 0, :], above, equal)
