"""WELDON and WILDCAT pooling: the mean of the largest cells plus a multiple of the mean of the smallest."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling import superquantile
from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import Layout, lay_out
from lena_jax.pooling.support import fixed_size

VALUE = "mean of the `top` largest + `alpha` times the mean of the `bottom` smallest"


def weldon_pool(
    x: ArrayLike,
    top: float = 1,
    bottom: float = 1,
    *,
    alpha: float = 1.0,
    method: str = superquantile.DEFAULT,
    **options: Any,
) -> jax.Array:
    """Add the mean of the `top` largest cells and `alpha` times the mean of the `bottom` smallest, for every map.

    A map that holds NaN pools to NaN.

    Args:
        x: `[..., H, W, C]`, floating point.
        top: a number of cells, from 1 to H*W.
        bottom: a number of cells, from 1 to H*W.
        alpha: the weight of the smallest cells; 1 is WELDON, smaller ones are WILDCAT.
        method: as in `lena_pool`.
        **options: as in `lay_out`: `axis`, `window`, `strides`, `padding`, `where`.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: if `top` or `bottom` is outside 1 to H*W, and as in `lay_out`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import weldon_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> weldon_pool(feature_map, top=2, bottom=2, alpha=0.5)  # (3 + 2) / 2 + 0.5 * (0 + 1) / 2
        Array([2.75], dtype=float32)

    Reference:
        Durand, Thome, Cord. WELDON: Weakly Supervised Learning of Deep CNNs. CVPR 2016.
        Durand, Mordan, Thome, Cord. WILDCAT. CVPR 2017.
    """
    high, low, tops, bottoms = _weldon(x, top, bottom, options)
    largest = superquantile.pool(high.cells, tops, high.valid, method, high.axis)
    smallest = -superquantile.pool(low.cells, bottoms, low.valid, method, low.axis)
    return largest + alpha * smallest


def weldon_weights(
    x: ArrayLike,
    top: float = 1,
    bottom: float = 1,
    *,
    alpha: float = 1.0,
    method: str = superquantile.DEFAULT,
    **options: Any,
) -> jax.Array:
    """Return `1 / top` at the largest cells plus `alpha / bottom` at the smallest.

    The weights sum to `1 + alpha` and reproduce the pooled value. Arguments and errors are those of `weldon_pool`; the
    result has the shape and dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import weldon_weights
        >>> weldon_weights(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None], 2, 2, alpha=0.5)[..., 0]
        Array([[0.5 , 0.25],
               [0.25, 0.5 ]], dtype=float32)
    """
    high, low, tops, bottoms = _weldon(x, top, bottom, options)
    largest = superquantile.weights(high.cells, tops, high.valid, method, high.axis)
    smallest = superquantile.weights(low.cells, bottoms, low.valid, method, low.axis)
    return high.spread(largest + alpha * smallest)


class WeldonPool(Pooling):
    """Mean of the largest cells plus `alpha` times the mean of the smallest, see `weldon_pool`.

    The weights reproduce the value and sum to `1 + alpha`.

    Attributes:
        top: as in `weldon_pool`.
        bottom: as in `weldon_pool`.
        alpha: as in `weldon_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import WeldonPool
        >>> WeldonPool(top=2, bottom=2, alpha=0.5).apply({}, jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])
        Array([2.75], dtype=float32)
    """

    top: float = 1
    bottom: float = 1
    alpha: float = 1.0

    functions = weldon_pool, weldon_weights
    sums_to_one: ClassVar[bool] = False

    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        return {"top": self.top, "bottom": self.bottom, "alpha": self.alpha}


def _weldon(
    x: ArrayLike, top: float, bottom: float, options: dict[str, Any]
) -> tuple[Layout, Layout, jax.Array, jax.Array]:
    high, low = lay_out(x, **options), lay_out(-jnp.asarray(x), **options)
    return high, low, fixed_size(high, top, "top"), fixed_size(low, bottom, "bottom")


RECORD = PoolingRecord(
    "weldon",
    "WELDON",
    WeldonPool,
    weldon_pool,
    weldon_weights,
    VALUE,
    options={"top": 5.0, "bottom": 5.0, "alpha": 1.0},
)
