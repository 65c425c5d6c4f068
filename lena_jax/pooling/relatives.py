"""Relatives of LENA pooling: generalized mean, log-sum-exp, softmax (AutoPool), and WELDON/WILDCAT.

All take the options of `lay_out` by keyword (`axis`, `window`, `strides`, `padding`, `where`), raise its errors, and
give NaN for maps that hold NaN. Learned values are scalars or broadcast to the shape of `x` without the pooled axes,
such as `[C]`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lena_jax.pooling import superquantile
from lena_jax.pooling.fixed import fixed_size
from lena_jax.pooling.layout import lay_out


def gem_pool(x, power, *, eps: float = 1e-6, **options) -> jax.Array:
    """Generalized mean, `(sum_i max(z_i, eps)^power / M)^(1 / power)`: `[..., H, W, C]` to `[..., C]`.

    `power = 1` is the average of the clamped cells; a large one tends to the maximum. For maps that are not negative.

    Args:
      x: `[..., H, W, C]`.
      power: positive.
      eps: positive; smaller cells count as `eps`.
      **options: as in `lay_out`.

    Raises:
      ValueError: `power` not positive where it is concrete, and the errors of `lay_out`.

    Reference:
      Radenovic, Tolias, Chum. Fine-tuning CNN Image Retrieval with No Human Annotation. TPAMI 2019, arXiv 1711.02512.
    """
    layout, power = _with_parameter(x, power, "power", options, positive=True)
    return layout.pooled(_gem(layout.cells, power, layout.valid, eps)[0])


def gem_weights(x, power, *, eps: float = 1e-6, **options) -> jax.Array:
    """The derivative of `gem_pool`, `(max(z_i, eps) / p)^(power - 1) / M`, 0 at cells below `eps`.

    A generalized mean is no weighted mean: these weights do not sum to 1. For maps without negative cells
    `sum_i w_i * z_i` is the pooled value (Euler; the function is homogeneous) to within `eps`.
    """
    layout, power = _with_parameter(x, power, "power", options, positive=True)
    return layout.spread(_gem(layout.cells, power, layout.valid, eps)[1])


def lse_pool(x, sharpness, **options) -> jax.Array:
    """Log-sum-exp, `log(sum_i exp(sharpness * z_i) / M) / sharpness`: `[..., H, W, C]` to `[..., C]`.

    A sharpness near 0 tends to the average, a large one to the maximum.

    Args:
      x: `[..., H, W, C]`.
      sharpness: positive.
      **options: as in `lay_out`.

    Raises:
      ValueError: `sharpness` not positive where it is concrete, and the errors of `lay_out`.

    Reference:
      Pinheiro, Collobert. From Image-level to Pixel-level Labeling with Convolutional Networks. CVPR 2015.
    """
    layout, sharpness = _with_parameter(x, sharpness, "sharpness", options, positive=True)
    return layout.pooled(_lse(layout.cells, sharpness, layout.valid))


def lse_weights(x, sharpness, **options) -> jax.Array:
    """The derivative of `lse_pool`, the softmax of `sharpness * z` over the map.

    They sum to 1, but `sum_i w_i * z_i` exceeds the pooled value, by `KL(w || uniform) / sharpness`.
    """
    layout, sharpness = _with_parameter(x, sharpness, "sharpness", options, positive=True)
    return layout.spread(_softmax(layout.cells, sharpness, layout.valid)[1])


def softmax_pool(x, sharpness, **options) -> jax.Array:
    """Attention by value, `sum_i softmax(sharpness * z)_i * z_i`: `[..., H, W, C]` to `[..., C]`.

    Sharpness 0 is the average, a large one tends to the maximum, a negative one to the minimum.

    Args:
      x: `[..., H, W, C]`.
      sharpness: any number.
      **options: as in `lay_out`.

    Reference:
      McFee, Salamon, Bello. Adaptive Pooling Operators for Weakly Labeled Sound Event Detection. TASLP 2018,
      arXiv 1804.10070.
    """
    layout, sharpness = _with_parameter(x, sharpness, "sharpness", options)
    return layout.pooled(_softmax(layout.cells, sharpness, layout.valid)[0])


def softmax_weights(x, sharpness, **options) -> jax.Array:
    """`softmax(sharpness * z)` over the map: sums to 1 and reproduces the pooled value (but is not its derivative)."""
    layout, sharpness = _with_parameter(x, sharpness, "sharpness", options)
    return layout.spread(_softmax(layout.cells, sharpness, layout.valid)[1])


def weldon_pool(x, top=1, bottom=1, *, alpha: float = 1.0, method: str = superquantile.DEFAULT, **options) -> jax.Array:
    """`mean of the top largest cells + alpha * mean of the bottom smallest`: `[..., H, W, C]` to `[..., C]`.

    Args:
      x: `[..., H, W, C]`.
      top, bottom: numbers of cells, from 1 to H*W.
      alpha: weight of the smallest cells; 1 is WELDON, smaller ones are WILDCAT.
      method: as in `lena_pool`.
      **options: as in `lay_out`.

    Raises:
      ValueError: `top` or `bottom` outside of 1 to H*W, and the errors of `lay_out`.

    Reference:
      Durand, Thome, Cord. WELDON: Weakly Supervised Learning of Deep CNNs. CVPR 2016.
      Durand, Mordan, Thome, Cord. WILDCAT. CVPR 2017.
    """
    high, low, tops, bottoms = _weldon(x, top, bottom, options)
    largest = superquantile.pool(high.cells, tops, high.valid, method)
    smallest = -superquantile.pool(low.cells, bottoms, low.valid, method)
    return high.pooled(largest + alpha * smallest)


def weldon_weights(
    x, top=1, bottom=1, *, alpha: float = 1.0, method: str = superquantile.DEFAULT, **options
) -> jax.Array:
    """`1 / top` at the largest plus `alpha / bottom` at the smallest: sums to `1 + alpha`, reproduces the value."""
    high, low, tops, bottoms = _weldon(x, top, bottom, options)
    largest = superquantile.weights(high.cells, tops, high.valid, method)
    smallest = superquantile.weights(low.cells, bottoms, low.valid, method)
    return high.spread(largest + alpha * smallest)


def _weldon(x, top, bottom, options):
    high, low = lay_out(x, **options), lay_out(-jnp.asarray(x), **options)
    return high, low, fixed_size(high, top, "top"), fixed_size(low, bottom, "bottom")


def _with_parameter(x, value, name, options, positive=False):
    if positive and not isinstance(value, jax.core.Tracer) and not (np.asarray(value) > 0).all():
        raise ValueError(f"{name} must be positive: got {value}, expected numbers > 0")
    layout = lay_out(x, **options)
    return layout, layout.per_map(value, name, jnp.promote_types(layout.cells.dtype, jnp.float32))


def _counted(cells, valid, dtype):
    """Cells in the dtype of sums with 0 where they do not count, the mask, and how many count, `[A, 1, K]`."""
    if valid is None:
        return cells.astype(dtype), True, cells.shape[1]
    return jnp.where(valid, cells, 0).astype(dtype), valid, valid.sum(1, keepdims=True, dtype=dtype)


@jax.jit
def _gem(cells, power, valid, eps):
    z, counts, count = _counted(cells, valid, power.dtype)
    clamped, power = jnp.maximum(z, eps), power[:, None]
    # Divided by the maximum, so that no power overflows; its derivative cancels.
    top = jax.lax.stop_gradient(jnp.max(clamped, axis=1, keepdims=True))
    mean = jnp.sum(jnp.where(counts, (clamped / top) ** power, 0.0) / count, axis=1, keepdims=True)
    p = top * mean ** (1 / power)
    w = jnp.where(counts & (z > eps), (clamped / p) ** (power - 1) / count, 0.0)
    return p[:, 0].astype(cells.dtype), w.astype(cells.dtype)


@jax.jit
def _lse(cells, sharpness, valid):
    z, counts, count = _counted(cells, valid, sharpness.dtype)
    top = jax.lax.stop_gradient(_top(z, counts))
    mean = jnp.sum(jnp.where(counts, jnp.exp(sharpness[:, None] * (z - top)), 0.0) / count, axis=1)
    p = top[:, 0] + jnp.log(jnp.maximum(mean, jnp.finfo(mean.dtype).tiny)) / sharpness
    return p.astype(cells.dtype)


@jax.jit
def _softmax(cells, sharpness, valid):
    z, counts, _ = _counted(cells, valid, sharpness.dtype)
    logits = sharpness[:, None] * z
    terms = jnp.where(counts, jnp.exp(logits - jax.lax.stop_gradient(_top(logits, counts))), 0.0)
    w = terms / terms.sum(1, keepdims=True)
    return jnp.sum(w * z, axis=1).astype(cells.dtype), w.astype(cells.dtype)


def _top(z, counts):
    return jnp.max(jnp.where(counts, z, -jnp.inf), axis=1, keepdims=True)
