"""LENA pooling: the mean of the largest cells of every map, over a share of the map that is learned."""

import jax
import jax.numpy as jnp

from lena_jax.pooling import superquantile
from lena_jax.pooling.layout import SPACE, lay_out
from lena_jax.pooling.support import check_eta, support_size


def lena_pool(
    x,
    eta,
    *,
    axis=SPACE,
    window=None,
    strides=None,
    padding="VALID",
    where=None,
    rounding: str = "interpolate",
    method: str = superquantile.DEFAULT,
) -> jax.Array:
    """Means of the largest cells of every map, the support a learned share `eta` of the map.

    With the cells sorted, `z_(1) >= ... >= z_(M)`::

        N = 1 + eta * (M - 1)                                      # real-valued size of the support
        p = sum_i clip(N - (i - 1), 0, 1) * z_(i) / N

    `eta = 0` is max pooling, `eta = 1` is average pooling. Differentiable in `x` and in `eta`.

    Args:
      x: `[..., H, W, C]`, float32, bfloat16 or float16 (float64 under x64); sums are float32 at least.
      eta: shares in [0, 1]: a scalar, `[C]`, `[B, C]`, or anything that broadcasts to the shape of `x` without the
        pooled axes. With windows, one share serves all windows of a map.
      axis: the axes to pool over; `(-4, -3, -2)` pools `[B, T, H, W, C]` over time and space.
      window, strides, padding: pool in windows, see `lay_out`; None pools each map as a whole.
      where: booleans that broadcast to `x`; cells that are False never enter a support, and `M` counts the others. A
        map without a valid cell is an error outside of jit; under jit it pools to 0 with zero gradients.
      rounding: "interpolate", or "ceil" for the whole `N = 1 + ceil(eta * (M - 1))` of the published Caffe layer; see
        `support_size` for its derivative.
      method: "select" finds the threshold of the support without sorting; "sort" is the formula as it reads, hundreds
        of times the cost of an average, whose gradient splits ties by the order of the sort.

    Returns:
      `[..., C]`, the shape of `x` without the pooled axes (with windows: these hold the windows), in the dtype of
      `x`. A map that holds NaN pools to NaN.

    Raises:
      ValueError: eta outside [0, 1] or x without valid cells (both only outside of jit), wrong shapes, axes or
        windows, an input that is not floating point, an unknown rounding or method.

    Example:
      >>> lena_pool(jnp.arange(4.0).reshape(2, 2, 1), eta=1 / 3)  # N = 2 of 4 cells: (3 + 2) / 2
      Array([2.5], dtype=float32)

    Reference:
      Alameda-Pineda, Pilzer, Xu, Sebe, Ricci. Viraliency: Pooling Local Virality. CVPR 2017, arXiv 1703.03937.
    """
    check_eta(eta)
    layout = lay_out(x, axis=axis, window=window, strides=strides, padding=padding, where=where)
    n = sizes(layout, eta, rounding)
    return layout.pooled(superquantile.pool(layout.cells, n, layout.valid, method))


def lena_weights(
    x,
    eta,
    *,
    axis=SPACE,
    window=None,
    strides=None,
    padding="VALID",
    where=None,
    rounding: str = "interpolate",
    method: str = superquantile.DEFAULT,
) -> jax.Array:
    """The weights with which `lena_pool` averages the cells; they are also its derivative in `x`.

    With `t` the cell of rank `ceil(N)`: `1/N` where `z > t`; what is left of N, `(N - #{z > t}) / N`, shared equally by
    the cells where `z == t`; else 0. They sum to 1 over each map and `sum_i w_i * z_i` is the pooled value.

    Args:
      x, eta, axis, window, strides, padding, where, rounding, method: as in `lena_pool`.

    Returns:
      An array of the shape and dtype of `x`. With windows, each pooled axis becomes two, (windows, cells of a
      window), so `[B, H, W, C]` gives `[B, H', h, W', w, C]`, zero at padded cells. NaN in maps that hold NaN.

    Raises:
      ValueError: as `lena_pool`.
    """
    check_eta(eta)
    layout = lay_out(x, axis=axis, window=window, strides=strides, padding=padding, where=where)
    n = sizes(layout, eta, rounding)
    return layout.spread(superquantile.weights(layout.cells, n, layout.valid, method))


def sizes(layout, eta, rounding):
    """Sizes of the supports `[A, K]`, in the dtype that sums are taken in."""
    dtype = jnp.promote_types(layout.cells.dtype, jnp.float32)
    return support_size(layout.per_map(eta, "eta", dtype), layout.count(), rounding)
