"""The objects to paste: ellipses chosen by hand in five photographs, with feathered edges."""

import dataclasses
import functools

import numpy as np
from PIL import Image

from data_prep import photographs

# Width of the soft edge, as a share of the ellipse's radius.
FEATHER = 0.12
# Longest side of a cut-out in pixels, before it is scaled to its place.
LONG_SIDE = 128


@dataclasses.dataclass(frozen=True)
class CutOut:
    """An ellipse in a photograph, and how large it is when pasted.

    Attributes:
        photograph: a key of `photographs.FILES`.
        centre_x: column of the centre in the photograph, in pixels; the next three are in pixels too.
        centre_y: row of the centre.
        half_width: half the width of the ellipse.
        half_height: half the height of the ellipse.
        min_side: least length of the long side once pasted, as a share of the picture's side.
        max_side: greatest length of the long side once pasted, as a share of the picture's side.
    """

    photograph: str
    centre_x: int
    centre_y: int
    half_width: int
    half_height: int
    min_side: float = 0.22
    max_side: float = 0.40


CUT_OUTS = {
    "cat": CutOut("chelsea", 232, 150, 140, 142),
    "cup": CutOut("coffee", 285, 195, 192, 188),
    # Slim, so its long side is larger; its area is still the smallest.
    "rocket": CutOut("rocket", 322, 268, 62, 145, min_side=0.32, max_side=0.48),
    "astronaut": CutOut("astronaut", 226, 98, 70, 92),
    "helmet": CutOut("astronaut", 398, 430, 108, 100),
    "cameraman": CutOut("camera", 230, 160, 108, 108),
}


@functools.cache
def cut_out(kind: str) -> Image.Image:
    """Return the object `kind` (a key of `CUT_OUTS`) in premultiplied RGBa, transparent outside its ellipse."""
    shape = CUT_OUTS[kind]
    top, left = shape.centre_y - shape.half_height, shape.centre_x - shape.half_width
    pixels = photographs.load(shape.photograph)
    rows = np.clip(np.arange(top, top + 2 * shape.half_height), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, left + 2 * shape.half_width), 0, pixels.shape[1] - 1)
    y = (np.arange(rows.size) + 0.5) / shape.half_height - 1
    x = (np.arange(columns.size) + 0.5) / shape.half_width - 1
    radius = np.hypot(y[:, None], x[None, :])
    alpha = np.clip((1 - radius) / FEATHER, 0, 1)
    rgba = np.dstack([pixels[np.ix_(rows, columns)], np.round(255 * alpha).astype(np.uint8)])
    # Premultiplied, so that resizing bleeds in no colour from outside the ellipse. Shrinking it once here saves time.
    picture = Image.fromarray(rgba).convert("RGBa")
    picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return picture


def instance(kind: str, side: float, flip: bool, angle: float, gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Render one instance of an object.

    Args:
        kind: a key of `CUT_OUTS`.
        side: the long side of the upright object, in pixels of the picture.
        flip: whether to mirror it left to right.
        angle: rotation in degrees, counter-clockwise.
        gain: factor on the brightness.

    Returns:
        Colours `[h, w, 3]` in 0..255 and opacity `[h, w]` in [0, 1], both float32, trimmed to where the opacity is
        above 0.
    """
    picture = cut_out(kind)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    if flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.convert("RGBA").rotate(angle, Image.Resampling.BICUBIC, expand=True)
    rgba = np.asarray(picture, np.float32)
    opacity = rgba[..., 3] / 255
    rows, columns = np.flatnonzero(opacity.any(axis=1)), np.flatnonzero(opacity.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.clip(rgba[..., :3] * gain, 0, 255)[window], opacity[window]
