"""Turn a picture into the square that the network sees: the whole picture, or a random view in training."""

import dataclasses

import numpy as np
from PIL import Image

# How a picture becomes a square: its shape is lost, or kept with a border, or its longer ends are cut off.
RESIZES = ("squash", "pad", "crop")


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

    def view(self, picture, size, rng, how="squash"):
        """Draw one random view with a `np.random.Generator`: [H, W, 3] uint8 -> [size, size, 3] uint8.

        With "pad", it is [size, size, 4], see `resize`.

        A generator in the same state cuts the same view from a map [H', W'] of the same picture. All frames of a clip
        [T, H, W, 3] get the same view.
        """
        height, width = picture.shape[-3:-1] if picture.ndim > 2 else picture.shape
        side = rng.uniform(self.crop, 1)
        top, left = rng.uniform(0, 1 - side, 2) * (height, width)
        view = resize(picture, size, (left, top, left + side * width, top + side * height), how)
        return np.flip(view, -2 if view.ndim > 2 else -1) if self.flip and rng.random() < 0.5 else view


def resize(picture, size, box=None, how="squash"):
    """Resize a picture (or a box in it) to a square, with antialiasing.

    "squash" stretches the whole picture to the square. "crop" takes its largest square, in the middle. "pad" keeps the
    shape: the whole picture lies in the middle of the square, and a fourth channel is 255 where it lies and 0 beside
    it. The colour channels beside it are 0.

    Args:
        picture: [H, W, 3] uint8; also [H, W, 4] of an earlier "pad", grey [H, W], or a clip [T, H, W, 3].
        size: side of the result in pixels.
        box: (left, top, right, bottom) in pixels, fractions allowed; None for the whole picture.
        how: one of `RESIZES`.

    Returns:
        [size, size, 3] uint8; [size, size] for grey, [T, size, size, 3] for a clip; 4 channels with "pad", or if there
        were 4 before.
    """
    if picture.ndim == 4:
        return np.stack([resize(frame, size, box, how) for frame in picture])
    if picture.ndim == 3 and picture.shape[-1] == 4:
        # Pillow would multiply colours by the fourth channel.
        return np.dstack(
            [resize(np.ascontiguousarray(picture[..., :3]), size, box), resize(picture[..., 3], size, box)]
        )
    return square(Image.fromarray(picture), size, box, how)


def square(picture, size, box=None, how="squash"):
    """Resize an opened picture to a square, as `resize` does: [size, size, 3] uint8, or [size, size] for grey.

    Args:
        picture: `PIL.Image`.
        size, box, how: see `resize`.
    """
    left, top, right, bottom = box or (0, 0, *picture.size)
    width, height = right - left, bottom - top
    if how == "crop":
        side = min(width, height)
        left, top = left + (width - side) / 2, top + (height - side) / 2
        box = left, top, left + side, top + side
    elif how == "pad":
        across, down = (max(1, round(size * one / max(width, height))) for one in (width, height))
        found = np.zeros((size, size, 4), np.uint8)
        first, start = (size - down) // 2, (size - across) // 2
        inside = found[first : first + down, start : start + across]
        inside[..., :3] = np.asarray(picture.resize((across, down), Image.Resampling.BICUBIC, box=box))
        inside[..., 3] = 255
        return found
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box))


def small_grey(picture, side):
    """Shrink an opened picture to grey and at most `side` pixels: roughly first, since photographs have many pixels.

    Args:
        picture: `PIL.Image`.
        side: longest side of the result; a smaller picture keeps its size.

    Returns:
        `PIL.Image` in mode "L".
    """
    for most, method in ((4 * side, Image.Resampling.NEAREST), (side, Image.Resampling.BOX)):
        share = most / max(picture.size)
        if share < 1:
            picture = picture.resize(tuple(max(1, round(one * share)) for one in picture.size), method)
        picture = picture.convert("L")
    return picture
