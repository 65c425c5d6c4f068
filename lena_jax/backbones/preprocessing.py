"""Convert pixels to what a backbone expects, inside the compiled program, so that uint8 travels to the device."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from lena_jax.runtime.untrusted import described


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What a backbone expects of pixels. It belongs to the weights, and each checkpoint stores it with them.

    Attributes:
        mean: the means of red, green and blue in [0, 1], which are subtracted from the picture.
        std: the deviations of red, green and blue in [0, 1], by which the difference is divided.
        channel_order: "RGB", or "BGR" for weights that come from Caffe.

    Raises:
        ValueError: if there are not three finite numbers each, a deviation is not positive, or the order is unknown.

    Example:
        >>> from lena_jax.backbones import Preprocessing
        >>> Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).as_json()
        {'mean': [0.5, 0.5, 0.5], 'std': [0.25, 0.25, 0.25], 'channel_order': 'RGB'}
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: str = "RGB"

    def __post_init__(self):
        for name in ("mean", "std"):
            try:
                value = np.asarray(getattr(self, name), np.float64)
            except (TypeError, ValueError, OverflowError):
                value = np.zeros(0)
            if value.shape != (3,) or not np.isfinite(value).all() or (name == "std" and value.min() <= 0):
                raise ValueError(
                    f"got {name} {described(getattr(self, name))}, expected three finite numbers"
                    + " above 0" * (name == "std")
                )
            object.__setattr__(self, name, tuple(value.tolist()))
        if self.channel_order not in ("RGB", "BGR"):
            raise ValueError(f"got channel_order {described(self.channel_order)}, expected 'RGB' or 'BGR'")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` reads them."""
        return {"mean": list(self.mean), "std": list(self.std), "channel_order": self.channel_order}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Preprocessing":
        """Read what `as_json` returned.

        Raises:
            ValueError: if keys are missing or unknown, or a value is wrong.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(stored, Mapping) or set(stored) != expected:
            got = described(list(stored) if isinstance(stored, Mapping) else stored)
            raise ValueError(f"got preprocessing with the keys {got}, expected {sorted(expected)}")
        return cls(**stored)


# What the weights that torchvision trained expect.
IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# OpenAI's CLIP and what follows it; Google's vision transformers.
CLIP = Preprocessing((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = Preprocessing((0.5,) * 3, (0.5,) * 3)


def normalize(images, preprocessing):
    """Return `(images / 255 - mean) / std`, with the channels in the order that the backbone expects.

    Args:
        images: `[B, H, W, 3]`, or clips `[B, T, H, W, 3]`, RGB in 0..255, uint8 or floating point.
        preprocessing: a `Preprocessing`.

    Returns:
        float32 of the same shape.

    Raises:
        ValueError: if the last axis is not RGB, or the type is neither uint8 nor floating point.

    Example:
        >>> import numpy as np
        >>> from lena_jax.backbones import Preprocessing, normalize
        >>> white = np.full((1, 1, 1, 3), 255, np.uint8)
        >>> normalize(white, Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))).ravel()
        Array([2., 2., 2.], dtype=float32)
    """
    if images.ndim not in (4, 5) or images.shape[-1] != 3:
        raise ValueError(f"got images of shape {images.shape}, expected [B, H, W, 3]")
    if images.dtype != jnp.uint8 and not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"got images of type {images.dtype}, expected uint8 or floating point in 0..255")
    std = np.asarray(preprocessing.std)
    factor = np.asarray(1 / (255 * std), np.float32)
    offset = np.asarray(np.asarray(preprocessing.mean) / std, np.float32)
    factor, offset = (value.reshape(*[1] * (images.ndim - 1), 3) for value in (factor, offset))
    normalized = jnp.asarray(images).astype(jnp.float32) * factor - offset
    return normalized[..., ::-1] if preprocessing.channel_order == "BGR" else normalized
