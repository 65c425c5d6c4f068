"""What the poolings with one learned number for each map share: generalized mean, log-sum-exp and softmax."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from lena_jax.pooling.layout import Layout, lay_out
from lena_jax.pooling.mesh import compiled


def lay_out_with(
    x: ArrayLike, value: ArrayLike, name: str, options: dict[str, Any], positive: bool = False
) -> tuple[Layout, jax.Array]:
    """Lay out the maps of `x`, and bring `value` to one number for each map.

    Args:
        x: `[..., H, W, C]`, floating point.
        value: a scalar, `[C]`, or anything that broadcasts to the shape of `x` without the pooled axes.
        name: what errors call `value`.
        options: the options of `lay_out`.
        positive: whether `value` must be positive.

    Returns:
        The layout, and one number for each map in the dtype that sums are taken in.

    Raises:
        ValueError: if `value` must be positive and is not, where it is concrete; and as in `lay_out`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling.learned_value import lay_out_with
        >>> layout, power = lay_out_with(jnp.ones((2, 2, 3)), 2.0, "power", {}, positive=True)
        >>> layout.cells.shape, power
        ((4, 3), Array([2., 2., 2.], dtype=float32))
    """
    if positive and not isinstance(value, jax.core.Tracer) and not (np.asarray(value) > 0).all():
        raise ValueError(f"{name} must be positive: got {value}, expected numbers > 0")
    layout = lay_out(x, **options)
    return layout, layout.per_map(value, name, layout.sum_dtype)


def counted(
    cells: jax.Array, valid: jax.Array | None, axis: int, dtype: DTypeLike
) -> tuple[jax.Array, jax.Array | bool, jax.Array | int]:
    """Return the cells in `dtype` with 0 where they do not count, the mask, and how many count, with `axis` kept."""
    if valid is None:
        return cells.astype(dtype), True, cells.shape[axis]
    return jnp.where(valid, cells, 0).astype(dtype), valid, valid.sum(axis, keepdims=True, dtype=dtype)


def largest(z: jax.Array, counts: jax.Array | bool, axis: int) -> jax.Array:
    """Return the largest cell of every map, with `axis` kept."""
    return jnp.max(jnp.where(counts, z, -jnp.inf), axis=axis, keepdims=True)


@compiled("axis")
def softmax(cells: jax.Array, sharpness: jax.Array, valid: jax.Array | None, axis: int) -> tuple[jax.Array, jax.Array]:
    """Return `sum_i w_i * z_i` of every map, and the weights `w = softmax(sharpness * z)` in the shape of `cells`."""
    z, counts, _ = counted(cells, valid, axis, sharpness.dtype)
    logits = jnp.expand_dims(sharpness, axis) * z
    terms = jnp.where(counts, jnp.exp(logits - jax.lax.stop_gradient(largest(logits, counts, axis))), 0.0)
    w = terms / terms.sum(axis, keepdims=True)
    return jnp.sum(w * z, axis=axis).astype(cells.dtype), w.astype(cells.dtype)


def log_initializer(name: str, value: float) -> nn.initializers.Initializer:
    """Return the initializer of a parameter that holds the logarithm of `value`.

    Raises:
        ValueError: if `value` is not positive.

    Example:
        >>> from lena_jax.pooling.learned_value import log_initializer
        >>> log_initializer("init_power", 0.0)
        Traceback (most recent call last):
        ValueError: init_power: got 0.0, expected a positive number
    """
    if not value > 0:
        raise ValueError(f"{name}: got {value}, expected a positive number")
    return nn.initializers.constant(math.log(value))
