"""From pixels to what a trunk expects, inside the compiled program, so that uint8 travels to the device."""

import jax.numpy as jnp
import numpy as np


def normalize(images, backbone):
    """`(images / 255 - mean) / std`, with the mean and standard deviation of the trunk.

    Args:
      images: `[B, H, W, 3]` RGB in 0..255, uint8 or floating point.
      backbone: a `Backbone`.

    Returns:
      `[B, H, W, 3]` float32.

    Raises:
      ValueError: the last axis is not RGB, or the type is neither uint8 nor floating point.
    """
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"got images of shape {images.shape}, expected [B, H, W, 3]")
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"got images of type {images.dtype}, expected uint8 or floating point in 0..255")
    std = np.asarray(backbone.std)
    factor = np.asarray(1 / (255 * std), np.float32)
    offset = np.asarray(np.asarray(backbone.mean) / std, np.float32)
    return jnp.asarray(images).astype(jnp.float32) * factor[None, None, None] - offset[None, None, None]
