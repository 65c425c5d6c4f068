"""Flax linen modules: thin shells around the functions, which own the learned parameters.

Every module has the same two methods: `__call__(x, where=None)` gives the pooled features and
`weights(x, where=None)` the weights of the cells. `reproduces` says that `sum_i w_i * z_i` is the pooled value, as a
map of contributions needs; `sums_to_one` that `sum_i w_i = 1`.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from lena_jax.pooling import fixed, lena, superquantile
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
    `sigmoid(parameter)`, not the parameter itself (`support_sizes` converts). With `parameterization="clip"` the share is
    `clip(parameter, 0, 1)`, as in the Caffe layer, and gradients pass the clip unchanged, so that a channel at a
    border can come back. `C` is the size of the last axis, over which this module does not pool.

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
