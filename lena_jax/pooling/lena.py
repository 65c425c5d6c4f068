"""LENA pooling: the mean of the largest cells of every map, where the share of cells to average is learned."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from lena_jax.pooling import superquantile
from lena_jax.pooling.base import Pooling, PoolingRecord
from lena_jax.pooling.layout import SPACE, Layout, lay_out
from lena_jax.pooling.support import (
    check_eta,
    check_parameterization,
    eta_from_parameter,
    parameter_from_eta,
    support_size,
)

PARAMETER = "eta"


def lena_pool(
    x: ArrayLike,
    eta: ArrayLike,
    *,
    axis: int | Sequence[int] = SPACE,
    window: int | Sequence[int] | None = None,
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[Sequence[int]] = "VALID",
    where: ArrayLike | None = None,
    rounding: str = "interpolate",
    method: str = superquantile.DEFAULT,
) -> jax.Array:
    """Average the largest cells of every map; `eta` is the share of the map to average.

    With the cells sorted, `z_(1) >= ... >= z_(M)`::

        N = 1 + eta * (M - 1)                                      # size of the support, a real number
        p = sum_i clip(N - (i - 1), 0, 1) * z_(i) / N

    `eta = 0` is max pooling, `eta = 1` is average pooling. Differentiable in `x` and in `eta`.

    Args:
        x: `[..., H, W, C]`, float32, bfloat16 or float16 (float64 under x64). Sums are taken in float32 or wider.
        eta: shares in [0, 1]: a scalar, `[C]`, `[B, C]`, or anything that broadcasts to the shape of `x` without the
            pooled axes. All windows of a map have the same share.
        axis: the axes to pool over; `(-4, -3, -2)` pools `[B, T, H, W, C]` over time and space.
        window: the size of the pooling windows, see `lay_out`; None pools each map as a whole.
        strides: the steps between windows, see `lay_out`.
        padding: the padding of the pooled axes, see `lay_out`.
        where: booleans that broadcast to `x`. Cells that are False never enter a support, and `M` counts the others.
            A map without a valid cell is an error outside of jit; under jit it pools to 0 with zero gradients.
        rounding: "interpolate", or "ceil" for the whole number `N = 1 + ceil(eta * (M - 1))` of the published Caffe
            layer. `support_size` says what its derivative is.
        method: "select" finds the threshold of the support without sorting, on TPUs and NVIDIA GPUs with a kernel.
            "portable" does without kernels. "sort" follows the formula above: it costs hundreds of times as much as an
            average, and its gradient splits ties by the order of the sort.

    Returns:
        `[..., C]`, the shape of `x` without the pooled axes, in the dtype of `x`. With windows, the pooled axes hold
        the windows instead. A map that holds NaN pools to NaN.

    Raises:
        ValueError: if `eta` lies outside [0, 1] or a map has no valid cell (both only outside of jit), if shapes, axes
            or windows are wrong, if the input is not floating point, or if the rounding or method is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import lena_pool
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> lena_pool(feature_map, eta=1 / 3)  # N = 2 of 4 cells: (3 + 2) / 2
        Array([2.5], dtype=float32)
        >>> lena_pool(feature_map, eta=0.0), lena_pool(feature_map, eta=1.0)  # the maximum, the average
        (Array([3.], dtype=float32), Array([1.5], dtype=float32))

    Reference:
        Alameda-Pineda, Pilzer, Xu, Sebe, Ricci. Viraliency: Pooling Local Virality. CVPR 2017, arXiv 1703.03937.
    """
    layout, n = _lay_out(x, eta, rounding, axis=axis, window=window, strides=strides, padding=padding, where=where)
    return superquantile.pool(layout.cells, n, layout.valid, method, layout.axis)


def lena_weights(
    x: ArrayLike, eta: ArrayLike, *, rounding: str = "interpolate", method: str = superquantile.DEFAULT, **options: Any
) -> jax.Array:
    """Return the weights with which `lena_pool` averages the cells, which are also its derivative in `x`.

    With `t` the cell of rank `ceil(N)`, a weight is `1/N` where `z > t`, and 0 where `z < t`. The cells where `z == t`
    share what is left of `N` equally, `(N - #{z > t}) / N`. The weights sum to 1 over each map, and `sum_i w_i * z_i`
    is the pooled value.

    Arguments and errors are those of `lena_pool`.

    Returns:
        An array in the shape and dtype of `x`. With windows, each pooled axis becomes two, (windows, cells of a
        window): `[B, H, W, C]` gives `[B, H', h, W', w, C]`, with zeros at padded cells. NaN in maps that hold NaN.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import lena_weights
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]
        >>> lena_weights(feature_map, eta=1 / 3)[..., 0]
        Array([[0.5, 0. ],
               [0. , 0.5]], dtype=float32)
    """
    layout, n = _lay_out(x, eta, rounding, **options)
    return layout.spread(superquantile.weights(layout.cells, n, layout.valid, method, layout.axis))


class LENAPool(Pooling):
    """LENA pooling with one learned share of the map for each channel, see `lena_pool`.

    The parameter `eta`, `[C]`, is unconstrained: the share is `sigmoid(parameter)`, not the parameter itself.
    `eta_from_parameter` and `support_sizes` convert it. `C` is the size of the last axis, which is not pooled.

    With `parameterization="clip"` the share is `clip(parameter, 0, 1)`, as in the Caffe layer. Gradients pass through
    the clip unchanged, so that a channel at 1 can come back. A channel at 0 pools its maximum, whose derivative in the
    share is 0, and stays there.

    Weight decay would pull the share to 0.5 (sigmoid) or 0 (clip): use `decay_mask`.

    Attributes:
        init_share: the share that all channels start from, in (0, 1); "clip" also takes 0 and 1.
        init_count: the number of cells to start from instead, in (1, M); overrides `init_share`.
        parameterization: "sigmoid" or "clip".
        rounding: as in `lena_pool`.
        method: as in `lena_pool`.
        param_dtype: the dtype of the parameter.
        axis, window, strides, padding: as in `lay_out`.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from lena_jax.pooling import LENAPool, eta_from_parameter
        >>> feature_map = jnp.array([[3.0, 1.0], [0.0, 2.0]])[..., None]  # H = W = 2, one channel
        >>> pool = LENAPool(init_share=0.25)
        >>> variables = pool.init(jax.random.key(0), feature_map)
        >>> np.asarray(eta_from_parameter(variables["params"]["eta"])).round(2)
        array([0.25], dtype=float32)
        >>> np.asarray(pool.apply(variables, feature_map)).round(3)  # N = 1.75: (3 + 0.75 * 2) / 1.75
        array([2.571], dtype=float32)
        >>> pool.apply(variables, feature_map, method="weights").shape
        (2, 2, 1)
    """

    init_share: float = 0.1
    init_count: float | None = None
    parameterization: str = "sigmoid"
    rounding: str = "interpolate"
    method: str = superquantile.DEFAULT
    param_dtype: DTypeLike = jnp.float32

    functions = lena_pool, lena_weights

    def __post_init__(self) -> None:
        check_parameterization(self.parameterization)
        if self.init_count is None:
            parameter_from_eta(self.init_share, self.parameterization)
        super().__post_init__()

    @nn.compact
    def _arguments(self, x: ArrayLike) -> dict[str, Any]:
        def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
            return jnp.full(shape, parameter_from_eta(self._initial_share(x), self.parameterization), dtype)

        parameter = self.param(PARAMETER, init, jnp.shape(x)[-1:], self.param_dtype)
        eta = eta_from_parameter(parameter, self.parameterization)
        return {"eta": eta, "rounding": self.rounding, "method": self.method}

    def _initial_share(self, x: ArrayLike) -> float:
        if self.init_count is None:
            return self.init_share

        def cells_first(x: ArrayLike) -> jax.Array:
            layout = lay_out(x, **self._options(None))
            return jnp.moveaxis(layout.cells, layout.axis, 0)

        cells = jax.eval_shape(cells_first, x).shape[0]
        if not 1 <= self.init_count <= cells or cells == 1:
            raise ValueError(f"init_count: got {self.init_count}, expected 1 to the number of cells, {cells}")
        return (self.init_count - 1) / (cells - 1)


def _lay_out(x: ArrayLike, eta: ArrayLike, rounding: str, **options: Any) -> tuple[Layout, jax.Array]:
    """Return the maps, and the sizes of their supports in the dtype that sums are taken in."""
    check_eta(eta)
    layout = lay_out(x, **options)
    return layout, support_size(layout.per_map(eta, "eta", layout.sum_dtype), layout.count(), rounding)


RECORD = PoolingRecord(
    name="lena",
    title="LENA",
    module=LENAPool,
    pool=lena_pool,
    weights=lena_weights,
    value="mean of the `N` largest, with `N` a learned real number",
    parameter=PARAMETER,
    main_option="init_share",
    options={"parameterization": "sigmoid", "rounding": "interpolate"},
)
