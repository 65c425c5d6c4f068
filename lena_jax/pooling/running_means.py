"""Sort every map once, keep the means of its 1, 2, ..., M largest cells, and read off the mean of any `N` of them.

With `A_k` the mean of the `k` largest cells of a map, and `k = floor(N)`::

    p(N)  = (k * A_k + (N - k) * z_(k+1)) / N,    z_(k+1) = (k + 1) * A_(k+1) - k * A_k
    dp/dN = (z_(k+1) - p) / N

This is `superquantile.pool`, for maps that stay while supports move: two look-ups a map instead of a search.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_BLOCK = 1 << 26  # Bytes to sort at a time.


def running_means(maps: np.ndarray) -> np.ndarray:
    """Compute the means of the 1, 2, ..., M largest cells of every map.

    Runs on the host, channel by channel, so that it needs little more memory than its result: 4 bytes for every cell.

    Args:
        maps: `[n, M, C]`, floating point: n pictures, M cells, C channels.

    Returns:
        `[C, M, n]` float32; `[c, k - 1, i]` is the mean of the `k` largest cells of channel c of picture i.

    Raises:
        ValueError: if there are no cells, or a cell is not finite.

    Example:
        >>> import numpy as np
        >>> from lena_jax.pooling.running_means import running_means
        >>> running_means(np.array([[3.0, 1.0, 2.0]])[..., None]).ravel()
        array([3. , 2.5, 2. ], dtype=float32)
    """
    if maps.ndim != 3 or not maps.shape[1]:
        raise ValueError(f"maps: got shape {maps.shape}, expected [n, M, C] with at least one cell")
    n, cells, channels = maps.shape
    means = np.empty((channels, cells, n), np.float32)
    divisor = np.arange(1, cells + 1, dtype=np.float32)[:, None]
    for part in _blocks(channels, n * cells):
        # Cells last and contiguous: NumPy sorts such rows with vector instructions.
        rows = np.array(maps[:, :, part].transpose(2, 0, 1), np.float32, order="C")
        if not np.isfinite(rows).all():
            raise ValueError("maps: got a cell that is not finite, expected finite cells")
        rows.sort(axis=-1)
        np.cumsum(rows[..., ::-1].transpose(0, 2, 1), axis=1, out=means[part])
        means[part] /= divisor
    return means


def _blocks(channels: int, cells: int) -> Iterator[slice]:
    step = max(1, _BLOCK // (4 * max(cells, 1)))
    return (slice(start, start + step) for start in range(0, channels, step))


def pool_running(means: jax.Array, sizes: jax.Array) -> jax.Array:
    """Average the `N` largest cells of every map, `p(N)` above; autodiff gives `dp/dN` exactly.

    At a whole `N` the derivative is that towards larger supports, and at `N = M` that towards smaller ones.

    Args:
        means: `[C, M, n]`, from `running_means`.
        sizes: `[C]`, the sizes of the supports, in [1, M].

    Returns:
        `[C, n]` in the dtype of `means`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling.running_means import pool_running, running_means
        >>> means = running_means(np.array([[3.0, 1.0, 2.0]])[..., None])
        >>> pool_running(means, jnp.array([1.5]))  # (3 + 0.5 * 2) / 1.5
        Array([[2.6666667]], dtype=float32)
    """
    means = jnp.asarray(means)
    _, cells, n = means.shape
    if cells == 1:
        return means[:, 0]
    k = jnp.clip(jnp.floor(lax.stop_gradient(sizes)).astype(jnp.int32), 1, cells - 1)
    two = jax.vmap(lambda rows, first: lax.dynamic_slice(rows, (first, 0), (2, n)))(means, k - 1)
    k, size = k.astype(means.dtype)[:, None], sizes.astype(means.dtype)[:, None]
    inside = k * two[:, 0]
    following = (k + 1) * two[:, 1] - inside
    return (inside + (size - k) * following) / size
