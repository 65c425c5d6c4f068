"""Turn a picture into the square that the network sees: the whole picture, or a random view in training."""

import dataclasses

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random views of a picture in training: a random crop and a random flip.

    Attributes:
        crop: least side of the crop as a share of the picture's side, in (0, 1]; 1 keeps the whole picture.
        flip: whether half of the views are mirrored.

    Raises:
        ValueError: `crop` is not in (0, 1].
    """

    crop: float = 0.8
    flip: bool = True

    def __post_init__(self):
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop must be in (0, 1], got {self.crop}")

    def view(self, picture, size, rng):
        """Draw one random view with a `np.random.Generator`: [H, W, 3] uint8 -> [size, size, 3] uint8.

        A generator in the same state cuts the same view from a map [H', W'] of the same picture. All frames of a clip
        [T, H, W, 3] get the same view.
        """
        height, width = picture.shape[-3:-1] if picture.ndim > 2 else picture.shape
        side = rng.uniform(self.crop, 1)
        top, left = rng.uniform(0, 1 - side, 2) * (height, width)
        view = resize(picture, size, (left, top, left + side * width, top + side * height))
        return np.flip(view, -2 if view.ndim > 2 else -1) if self.flip and rng.random() < 0.5 else view


def resize(picture, size, box=None):
    """Resize a whole picture (or a box in it) to a square, with antialiasing and without cropping.

    Args:
        picture: [H, W, 3] uint8; also grey [H, W], or a clip [T, H, W, 3].
        size: side of the result in pixels.
        box: (left, top, right, bottom) in pixels, fractions allowed; None for the whole picture.

    Returns:
        [size, size, 3] uint8; [size, size] for grey, [T, size, size, 3] for a clip.
    """
    if picture.ndim == 4:
        return np.stack([resize(frame, size, box) for frame in picture])
    return square(Image.fromarray(picture), size, box)


def square(picture, size, box=None):
    """Resize an opened picture to a square, as `resize` does: [size, size, 3] uint8, or [size, size] for grey.

    Args:
        picture: `PIL.Image`.
        size, box: see `resize`.
    """
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))
