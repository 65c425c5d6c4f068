"""Top-N pooling: the mean of the `n` largest cells of every map, with `n` fixed."""

from typing import Any

import jax
from jax.typing import ArrayLike

from lena_jax.pooling import superquantile
from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import Layout, lay_out
from lena_jax.pooling.support import fixed_size


def top_n_pool(x: ArrayLike, n: float, *, method: str = superquantile.DEFAULT, **options: Any) -> jax.Array:
    """Average the `n` largest cells of every map: `sum_{i <= n} z_(i) / n`.

    Args:
        x: `[..., H, W, C]`, floating point.
        n: a number of cells from 1 to H*W. A fraction counts the last cell in part. A map or window with fewer valid
            cells, because of `where` or the border, averages all that it has.
        method: as in `lena_pool`.
        **options: as in `lay_out`: `axis`, `window`, `strides`, `padding`, `where`.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: if `n` is outside 1 to H*W, and as in `lay_out`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import top_n_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> top_n_pool(feature_map, 2)  # (3 + 2) / 2
        Array([2.5], dtype=float32)
    """
    layout, sizes = _top_n(x, n, options)
    return superquantile.pool(layout.cells, sizes, layout.valid, method, layout.axis)


def top_n_weights(x: ArrayLike, n: float, *, method: str = superquantile.DEFAULT, **options: Any) -> jax.Array:
    """Return `1 / n` at the `n` largest cells, in the shape of `x`; cells tied for the last places share them equally.

    Arguments and errors are those of `top_n_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import top_n_weights
        >>> top_n_weights(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None], 2)[..., 0]
        Array([[0.5, 0. ],
               [0. , 0.5]], dtype=float32)
    """
    layout, sizes = _top_n(x, n, options)
    return layout.spread(superquantile.weights(layout.cells, sizes, layout.valid, method, layout.axis))


class TopNPool(Pooling):
    """Mean of the `n` largest cells, see `top_n_pool`.

    Attributes:
        n: the number of cells, from 1 to H*W.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import TopNPool
        >>> TopNPool(n=2).apply({}, jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])
        Array([2.5], dtype=float32)
    """

    n: float = 20.0

    functions = top_n_pool, top_n_weights

    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        return {"n": self.n}


def _top_n(x: ArrayLike, n: float, options: dict[str, Any]) -> tuple[Layout, jax.Array]:
    layout = lay_out(x, **options)
    return layout, fixed_size(layout, n, "n")


RECORD = PoolingRecord(
    "top_n", "top-N", TopNPool, top_n_pool, top_n_weights, value="mean of the `n` largest", main_option="n"
)
