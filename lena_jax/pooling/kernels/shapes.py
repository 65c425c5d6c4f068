"""The types of what kernels return."""

import jax
from jax.typing import DTypeLike


def like_maps(n: jax.Array, dtype: DTypeLike) -> jax.ShapeDtypeStruct:
    """Return the type of one number of `dtype` for each map, which varies over a mesh as `n` does.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling.kernels.shapes import like_maps
        >>> like_maps(jnp.ones((2, 3)), jnp.int32).shape
        (2, 3)
    """
    return jax.ShapeDtypeStruct(n.shape, dtype, manual_axis_type=jax.typeof(n).manual_axis_type)
