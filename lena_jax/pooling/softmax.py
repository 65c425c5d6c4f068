"""Softmax pooling (AutoPool): each map is averaged with the softmax of its own cells, with a learned sharpness."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.learned_value import lay_out_with, softmax

PARAMETER = "softmax_sharpness"


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
    return layout.pooled(softmax(layout.cells, sharpness, layout.valid)[0])


def softmax_weights(x: ArrayLike, sharpness: ArrayLike, **options: Any) -> jax.Array:
    """Return `softmax(sharpness * z)` over the map.

    The weights sum to 1 and reproduce the pooled value, but they are not its derivative.

    Args:
        x: as in `softmax_pool`.
        sharpness: as in `softmax_pool`.
        **options: as in `softmax_pool`.

    Returns:
        An array in the shape and dtype of `x`.

    Raises:
        ValueError: as in `softmax_pool`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import softmax_weights
        >>> np.asarray(softmax_weights(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None], 1.0)[..., 0]).round(3)
        array([[0.644, 0.087],
               [0.032, 0.237]], dtype=float32)
    """
    layout, sharpness = lay_out_with(x, sharpness, "sharpness", options)
    return layout.spread(softmax(layout.cells, sharpness, layout.valid)[1])


class SoftmaxPool(Pooling):
    """Softmax pooling (AutoPool) with one learned sharpness for each channel, see `softmax_pool`.

    The parameter `softmax_sharpness`, `[C]`, is the sharpness itself.

    Attributes:
        init_sharpness: the sharpness that all channels start from.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import SoftmaxPool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]
        >>> pool = SoftmaxPool(init_sharpness=1.0)
        >>> variables = pool.init(jax.random.key(0), feature_map)
        >>> np.asarray(pool.apply(variables, feature_map)).round(3)
        array([2.493], dtype=float32)
    """

    init_sharpness: float = 1.0

    def __call__(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        return softmax_pool(x, self._sharpness(x), **self._options(where))

    def weights(self, x: ArrayLike, where: ArrayLike | None = None) -> jax.Array:
        return softmax_weights(x, self._sharpness(x), **self._options(where))

    @nn.compact
    def _sharpness(self, x: ArrayLike) -> jax.Array:
        return self.param(PARAMETER, nn.initializers.constant(self.init_sharpness), jnp.shape(x)[-1:])


RECORD = PoolingRecord(
    name="softmax",
    title="softmax",
    module=SoftmaxPool,
    pool=softmax_pool,
    weights=softmax_weights,
    value="`sum softmax(a z) z` with a sharpness `a` (AutoPool)",
    parameter=PARAMETER,
    main_option="init_sharpness",
    options={"init_sharpness": 1.0},
)
