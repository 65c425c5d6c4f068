"""Log-sum-exp pooling, with a learned sharpness."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.learned_value import counted, largest, lay_out_with, log_initializer, softmax
from lena_jax.pooling.mesh import compiled

PARAMETER = "lse_log_sharpness"
VALUE = "`log(mean exp(r z)) / r` with a sharpness `r`"


def lse_pool(x: ArrayLike, sharpness: ArrayLike, **options: Any) -> jax.Array:
    """Take the log-mean-exp of every map: `log(sum_i exp(sharpness * z_i) / M) / sharpness`.

    A sharpness near 0 tends to the average, a large one to the maximum. A map that holds NaN pools to NaN.

    Args:
        x: `[..., H, W, C]`, floating point.
        sharpness: positive: a scalar, `[C]`, or anything that broadcasts to the shape of `x` without the pooled axes.
        **options: as in `lay_out`: `axis`, `window`, `strides`, `padding`, `where`.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: as in `gem_pool`, for `sharpness`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import lse_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> np.asarray(lse_pool(feature_map, jnp.array([5.0]))).round(3)
        array([2.724], dtype=float32)

    Reference:
        Pinheiro, Collobert. From Image-level to Pixel-level Labeling with Convolutional Networks. CVPR 2015.
    """
    layout, sharpness = lay_out_with(x, sharpness, "sharpness", options, positive=True)
    return _lse(layout.cells, sharpness, layout.valid, layout.axis)


def lse_weights(x: ArrayLike, sharpness: ArrayLike, **options: Any) -> jax.Array:
    """Return the derivative of `lse_pool`: the softmax of `sharpness * z` over the map.

    The weights sum to 1, but `sum_i w_i * z_i` exceeds the pooled value by `KL(w || uniform) / sharpness`.
    Arguments and errors are those of `lse_pool`; the result has the shape and dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import lse_weights
        >>> np.asarray(lse_weights(jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None], 1.0)[..., 0]).round(3)
        array([[0.644, 0.087],
               [0.032, 0.237]], dtype=float32)
    """
    layout, sharpness = lay_out_with(x, sharpness, "sharpness", options, positive=True)
    return layout.spread(softmax(layout.cells, sharpness, layout.valid, layout.axis)[1])


class LSEPool(Pooling):
    """Log-sum-exp with one learned sharpness for each channel, see `lse_pool`.

    The parameter `lse_log_sharpness`, `[C]`, holds the logarithm of the sharpness. The weights are the derivative of
    the value: they sum to 1, and do not reproduce the value.

    Attributes:
        init_sharpness: the sharpness that all channels start from, positive.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import LSEPool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]
        >>> LSEPool().apply({"params": {"lse_log_sharpness": jnp.array([9.0])}}, feature_map).round(2)  # the maximum
        Array([3.], dtype=float32)
    """

    init_sharpness: float = 5.0

    functions = lse_pool, lse_weights
    reproduces: ClassVar[bool] = False

    @nn.compact
    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        initializer = log_initializer("init_sharpness", self.init_sharpness)
        return {"sharpness": jnp.exp(self.param(PARAMETER, initializer, jnp.shape(x)[-1:]))}


@compiled("axis")
def _lse(cells: jax.Array, sharpness: jax.Array, valid: jax.Array | None, axis: int) -> jax.Array:
    z, counts, count = counted(cells, valid, axis, sharpness.dtype)
    top = jax.lax.stop_gradient(largest(z, counts, axis))
    terms = jnp.where(counts, jnp.exp(jnp.expand_dims(sharpness, axis) * (z - top)), 0.0)
    mean = jnp.sum(terms / count, axis=axis)
    p = jnp.squeeze(top, axis) + jnp.log(jnp.maximum(mean, jnp.finfo(mean.dtype).tiny)) / sharpness
    return p.astype(cells.dtype)


RECORD = PoolingRecord(
    "lse", "log-sum-exp", LSEPool, lse_pool, lse_weights, VALUE, PARAMETER, main_option="init_sharpness"
)
