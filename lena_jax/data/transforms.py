"""How a picture becomes the square that the network sees: the whole of it, or a random view in training."""

import dataclasses

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random views of a picture in training: a crop whose sides are at least `crop` of the picture's, and a flip.

    Attributes:
        crop: least side of the crop as a share of the picture's side, in (0, 1]; 1 keeps the whole picture.
        flip: whether half of the views are mirrored.

    Raises:
        ValueError: if `crop` is not in (0, 1].
    """

    crop: float = 0.8
    flip: bool = True

    def __post_init__(self):
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop must be in (0, 1], got {self.crop}")

    def view(self, picture, size, rng):
        """One random view: [H, W, 3] uint8 -> [size, size, 3] uint8, drawn with a `np.random.Generator`.

        A generator in the same state draws the same view of a map [H', W'] that shows the same picture. Of a clip
        [T, H, W, 3] all frames have one view.
        """
        height, width = picture.shape[-3:-1] if picture.ndim > 2 else picture.shape
        side = rng.uniform(self.crop, 1)
        top, left = rng.uniform(0, 1 - side, 2) * (height, width)
        view = resize(picture, size, (left, top, left + side * width, top + side * height))
        return np.flip(view, -2 if view.ndim > 2 else -1) if self.flip and rng.random() < 0.5 else view


def resize(picture, size, box=None):
    """Resizes a whole picture (or a box of it) to a square with antialiasing; nothing is cut off.

    Args:
        picture: [H, W, 3] uint8, or grey, [H, W], or a clip, [T, H, W, 3].
        size: side of the result in pixels.
        box: (left, top, right, bottom) in pixels, fractions allowed; None for all of it.

    Returns:
        [size, size, 3] or [size, size] uint8, of a clip [T, size, size, 3].
    """
    if picture.ndim == 4:
        return np.stack([resize(frame, size, box) for frame in picture])
    return square(Image.fromarray(picture), size, box)


def square(picture, size, box=None):
    """Resizes an opened picture to a square, as `resize` does: `PIL.Image` -> [size, size, 3] uint8, grey [size, size].

    Args:
        picture: `PIL.Image`.
        size, box: as of `resize`.
    """
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))
