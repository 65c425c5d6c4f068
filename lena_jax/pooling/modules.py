"""Flax linen modules: thin shells around the functions, which own the learned parameters.

Every module has the same two methods: `__call__(x, where=None)` gives the pooled features and
`weights(x, where=None)` the weights of the cells. `reproduces` says that `sum_i w_i * z_i` is the pooled value, as a
map of contributions needs; `sums_to_one` that `sum_i w_i = 1`.
"""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from lena_jax.pooling import fixed, lena, relatives, superquantile
from lena_jax.pooling.layout import SPACE, lay_out
from lena_jax.pooling.parameters import check_parameterization, eta_from_parameter, parameter_from_eta


class Pooling(nn.Module):
    """What all poolings share: the axes to pool over, and windows (see `lay_out`)."""

    axis: Any = SPACE
    window: Any = None
    strides: Any = None
    padding: Any = "VALID"

    reproduces: ClassVar[bool] = True
    sums_to_one: ClassVar[bool] = True

    def _options(self, where) -> dict[str, Any]:
        return dict(axis=self.axis, window=self.window, strides=self.strides, padding=self.padding, where=where)


class LENAPool(Pooling):
    """LENA pooling with one learned share of the map per channel, see `lena_pool`.

    The parameter is called `eta`, has shape `[C]` and is unconstrained: the share of the map is
    `sigmoid(parameter)`, not the parameter itself (`support_sizes` converts). With `parameterization="clip"` the share
    is `clip(parameter, 0, 1)`, as in the Caffe layer, and gradients pass the clip unchanged, so that a channel at 1
    can come back; one at 0 pools its maximum, whose derivative in the share is 0, and stays. `C` is the size of the
    last axis, over which this module does not pool.

    Weight decay would pull the share to 0.5 (sigmoid) or 0 (clip): see `decay_mask`.

    Attributes:
      init_share: the share that all channels start from, in (0, 1); "clip" also takes 0 and 1.
      init_count: start from this many cells instead, in (1, M); overrides `init_share`.
      parameterization: "sigmoid" or "clip".
      rounding, method: as in `lena_pool`.
      param_dtype: dtype of the parameter.
      axis, window, strides, padding: as in `lay_out`.

    Example:
      >>> pool = LENAPool()
      >>> variables = pool.init(key, feature_map)          # {"params": {"eta": [C]}}
      >>> pooled = pool.apply(variables, feature_map)      # [..., H, W, C] -> [..., C]
      >>> weights = pool.apply(variables, feature_map, method="weights")
    """

    init_share: float = 0.1
    init_count: float | None = None
    parameterization: str = "sigmoid"
    rounding: str = "interpolate"
    method: str = superquantile.DEFAULT
    param_dtype: Any = jnp.float32

    def __post_init__(self):
        check_parameterization(self.parameterization)
        if self.init_count is None:
            parameter_from_eta(self.init_share, self.parameterization)
        super().__post_init__()

    def __call__(self, x, where=None) -> jax.Array:
        """Pools `x`: `[..., H, W, C]` to `[..., C]`."""
        eta = self._share(x)
        return lena.lena_pool(x, eta, rounding=self.rounding, method=self.method, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        """Weights of the cells, in the shape of `x`, see `lena_weights`."""
        eta = self._share(x)
        return lena.lena_weights(x, eta, rounding=self.rounding, method=self.method, **self._options(where))

    @nn.compact
    def _share(self, x) -> jax.Array:
        def init(key, shape, dtype):
            return jnp.full(shape, parameter_from_eta(self._initial_share(x), self.parameterization), dtype)

        parameter = self.param("eta", init, x.shape[-1:], self.param_dtype)
        return eta_from_parameter(parameter, self.parameterization)

    def _initial_share(self, x) -> float:
        if self.init_count is None:
            return self.init_share
        layout = jax.eval_shape(lambda x: lay_out(x, **self._options(None)).cells, x)
        cells = layout.shape[1]
        if not 1 <= self.init_count <= cells or cells == 1:
            raise ValueError(f"init_count: got {self.init_count}, expected 1 to the number of cells, {cells}")
        return (self.init_count - 1) / (cells - 1)


class AveragePool(Pooling):
    """Average pooling, see `average_pool`."""

    def __call__(self, x, where=None) -> jax.Array:
        return fixed.average_pool(x, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return fixed.average_weights(x, **self._options(where))


class MaxPool(Pooling):
    """Max pooling, see `max_pool`."""

    def __call__(self, x, where=None) -> jax.Array:
        return fixed.max_pool(x, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return fixed.max_weights(x, **self._options(where))


class TopNPool(Pooling):
    """Mean of the `n` largest cells, `n` fixed, see `top_n_pool`."""

    n: float = 20

    def __call__(self, x, where=None) -> jax.Array:
        return fixed.top_n_pool(x, self.n, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return fixed.top_n_weights(x, self.n, **self._options(where))


class GeMPool(Pooling):
    """Generalized mean with one learned power per channel, see `gem_pool`; the parameter holds its logarithm.

    Its weights are the derivative: they do not sum to 1, and reproduce the value where no cell is negative.
    """

    init_power: float = 3.0
    eps: float = 1e-6

    reproduces: ClassVar[bool] = False
    sums_to_one: ClassVar[bool] = False

    def __call__(self, x, where=None) -> jax.Array:
        return relatives.gem_pool(x, self._power(x), eps=self.eps, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return relatives.gem_weights(x, self._power(x), eps=self.eps, **self._options(where))

    @nn.compact
    def _power(self, x) -> jax.Array:
        return jnp.exp(self.param("gem_log_power", _log_of("init_power", self.init_power), x.shape[-1:]))


class LSEPool(Pooling):
    """Log-sum-exp with one learned sharpness per channel, see `lse_pool`; the parameter holds its logarithm.

    Its weights are the derivative: they sum to 1, and do not reproduce the value.
    """

    init_sharpness: float = 5.0

    reproduces: ClassVar[bool] = False

    def __call__(self, x, where=None) -> jax.Array:
        return relatives.lse_pool(x, self._sharpness(x), **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return relatives.lse_weights(x, self._sharpness(x), **self._options(where))

    @nn.compact
    def _sharpness(self, x) -> jax.Array:
        return jnp.exp(self.param("lse_log_sharpness", _log_of("init_sharpness", self.init_sharpness), x.shape[-1:]))


class SoftmaxPool(Pooling):
    """Softmax pooling (AutoPool) with one learned sharpness per channel, see `softmax_pool`."""

    init_sharpness: float = 1.0

    def __call__(self, x, where=None) -> jax.Array:
        return relatives.softmax_pool(x, self._sharpness(x), **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return relatives.softmax_weights(x, self._sharpness(x), **self._options(where))

    @nn.compact
    def _sharpness(self, x) -> jax.Array:
        return self.param("softmax_sharpness", nn.initializers.constant(self.init_sharpness), x.shape[-1:])


class WeldonPool(Pooling):
    """Mean of the `top` largest cells plus `alpha` times that of the `bottom` smallest, see `weldon_pool`.

    Its weights reproduce the value and sum to `1 + alpha`.
    """

    top: float = 1
    bottom: float = 1
    alpha: float = 1.0

    sums_to_one: ClassVar[bool] = False

    def __call__(self, x, where=None) -> jax.Array:
        return relatives.weldon_pool(x, self.top, self.bottom, alpha=self.alpha, **self._options(where))

    def weights(self, x, where=None) -> jax.Array:
        return relatives.weldon_weights(x, self.top, self.bottom, alpha=self.alpha, **self._options(where))


def _log_of(name: str, value: float):
    if not value > 0:
        raise ValueError(f"{name}: got {value}, expected a positive number")
    return nn.initializers.constant(math.log(value))
