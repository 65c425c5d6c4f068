"""Softmax pooling (AutoPool): each map is averaged with the softmax of its own cells, with a learned sharpness."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.learned_value import lay_out_with, softmax

PARAMETER = "softmax_sharpness"
VALUE = "`sum softmax(a z) z` with a sharpness `a` (AutoPool)"


def softmax_pool(x: ArrayLike, sharpness: ArrayLike, **options: Any) -> jax.Array:
    """Average every map with the softmax of its cells as weights: `sum_i softmax(sharpness * z)_i * z_i`.

    Sharpness 0 is the average; a large one tends to the maximum, a negative one to the minimum. A map that holds NaN
    pools to NaN.

    Args:
        x: `[..., H, W, C]`, floating point.
        sharpness: any number: a scalar, `[C]`, or anything that broadcasts to the shape of `x` without the pooled
            axes.
        **options: as in `lay_out`: `axis`, `window`, `strides`, `padding`, `where`.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: as in `lay_out`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import softmax_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> np.asarray(softmax_pool(feature_map, 1.0)).round(3)
        array([2.493], dtype=float32)

    Reference:
        McFee, Salamon, Bello. Adaptive Pooling Operators for Weakly Labeled Sound Event Detection. TASLP 2018,
        arXiv 1804.10070.
    """
    layout, sharpness = lay_out_with(x, sharpness, "sharpness", options)
    return softmax(layout.cells, sharpness, layout.valid, layout.axis)[0]


def softmax_weights(x: ArrayLike, sharpness: ArrayLike, **options: Any) -> jax.Array:
    """Return `softmax(sharpness * z)` over the map.

    The weights sum to 1 and reproduce the pooled value, but they are not its derivative. Arguments and errors are those
    of `softmax_pool`; the result has the shape and dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import softmax_weights
        >>> softmax_weights(jnp.array([[[3.0], [1.0]]]), 0.0).ravel()  # one row of two cells, one channel
        Array([0.5, 0.5], dtype=float32)
    """
    layout, sharpness = lay_out_with(x, sharpness, "sharpness", options)
    return layout.spread(softmax(layout.cells, sharpness, layout.valid, layout.axis)[1])


class SoftmaxPool(Pooling):
    """Softmax pooling (AutoPool) with one learned sharpness for each channel, see `softmax_pool`.

    The parameter `softmax_sharpness`, `[C]`, is the sharpness itself.

    Attributes:
        init_sharpness: the sharpness that all channels start from.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import SoftmaxPool
        >>> variables = {"params": {"softmax_sharpness": jnp.zeros(1)}}  # weighs all cells alike
        >>> SoftmaxPool().apply(variables, jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None])
        Array([1.5], dtype=float32)
    """

    init_sharpness: float = 1.0

    functions = softmax_pool, softmax_weights

    @nn.compact
    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        initializer = nn.initializers.constant(self.init_sharpness)
        return {"sharpness": self.param(PARAMETER, initializer, jnp.shape(x)[-1:])}


RECORD = PoolingRecord(
    "softmax", "softmax", SoftmaxPool, softmax_pool, softmax_weights, VALUE, PARAMETER, main_option="init_sharpness"
)
