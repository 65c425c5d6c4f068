"""Generalized-mean pooling (GeM), with a learned power."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.learned_value import counted, lay_out_with, log_initializer
from lena_jax.pooling.mesh import compiled

PARAMETER = "gem_log_power"
VALUE = "`(mean max(z, eps)^p)^(1/p)` with a power `p`"


def gem_pool(x: ArrayLike, power: ArrayLike, *, eps: float = 1e-6, **options: Any) -> jax.Array:
    """Take the generalized mean of every map: `(sum_i max(z_i, eps)^power / M)^(1 / power)`.

    `power = 1` averages the clamped cells, and a large power tends to the maximum. Meant for maps without negative
    cells. A map that holds NaN pools to NaN.

    Args:
        x: `[..., H, W, C]`, floating point.
        power: positive: a scalar, `[C]`, or anything that broadcasts to the shape of `x` without the pooled axes.
        eps: positive; smaller cells count as `eps`.
        **options: as in `lay_out`: `axis`, `window`, `strides`, `padding`, `where`.

    Returns:
        `[..., C]`.

    Raises:
        ValueError: if `power` is not positive, where it is concrete; and as in `lay_out`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import gem_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> np.asarray(gem_pool(feature_map, 3.0)).round(3)  # ((27 + 1 + 0 + 8) / 4)^(1/3)
        array([2.08], dtype=float32)

    Reference:
        Radenovic, Tolias, Chum. Fine-tuning CNN Image Retrieval with No Human Annotation. TPAMI 2019,
        arXiv 1711.02512.
    """
    layout, power = lay_out_with(x, power, "power", options, positive=True)
    return _gem(layout.cells, power, layout.valid, layout.axis, eps)[0]


def gem_weights(x: ArrayLike, power: ArrayLike, *, eps: float = 1e-6, **options: Any) -> jax.Array:
    """Return the derivative of `gem_pool`: `(max(z_i, eps) / p)^(power - 1) / M`, and 0 at cells below `eps`.

    A generalized mean is not a weighted mean, so these weights do not sum to 1. For maps without negative cells
    `sum_i w_i * z_i` is the pooled value to within `eps` (Euler: the function is homogeneous). Arguments and errors are
    those of `gem_pool`; the result has the shape and dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import gem_weights
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]
        >>> weights = gem_weights(feature_map, 3.0)
        >>> np.asarray(weights[..., 0]).round(3)
        array([[0.52 , 0.058],
               [0.   , 0.231]], dtype=float32)
        >>> round(float((weights * feature_map).sum()), 3)
        2.08
    """
    layout, power = lay_out_with(x, power, "power", options, positive=True)
    return layout.spread(_gem(layout.cells, power, layout.valid, layout.axis, eps)[1])


class GeMPool(Pooling):
    """Generalized mean with one learned power for each channel, see `gem_pool`.

    The parameter `gem_log_power`, `[C]`, holds the logarithm of the power. The weights are the derivative of the
    value: they do not sum to 1, and they reproduce the value only where no cell is negative.

    Attributes:
        init_power: the power that all channels start from, positive.
        eps: as in `gem_pool`.

    Example:
        >>> import jax
        >>> from lena_jax.pooling import GeMPool
        >>> GeMPool(init_power=1.0).init(jax.random.key(0), jax.numpy.ones((14, 14, 2)))
        {'params': {'gem_log_power': Array([0., 0.], dtype=float32)}}
    """

    init_power: float = 3.0
    eps: float = 1e-6

    functions = gem_pool, gem_weights
    reproduces: ClassVar[bool] = False
    sums_to_one: ClassVar[bool] = False

    @nn.compact
    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        log_power = self.param(PARAMETER, log_initializer("init_power", self.init_power), jnp.shape(x)[-1:])
        return {"power": jnp.exp(log_power), "eps": self.eps}


@compiled("axis")
def _gem(
    cells: jax.Array, power: jax.Array, valid: jax.Array | None, axis: int, eps: float
) -> tuple[jax.Array, jax.Array]:
    z, counts, count = counted(cells, valid, axis, power.dtype)
    clamped, power = jnp.maximum(z, eps), jnp.expand_dims(power, axis)
    # Dividing by the maximum keeps every power from overflowing; its derivative cancels.
    top = jax.lax.stop_gradient(jnp.max(clamped, axis=axis, keepdims=True))
    mean = jnp.sum(jnp.where(counts, (clamped / top) ** power, 0.0) / count, axis=axis, keepdims=True)
    p = top * mean ** (1 / power)
    w = jnp.where(counts & (z > eps), (clamped / p) ** (power - 1) / count, 0.0)
    return jnp.squeeze(p, axis).astype(cells.dtype), w.astype(cells.dtype)


RECORD = PoolingRecord("gem", "GeM", GeMPool, gem_pool, gem_weights, VALUE, PARAMETER, main_option="init_power")
