"""Small copies of pictures and of their maps, each of bounded size, for a page with many of them."""

import dataclasses
import functools
import io

import numpy as np
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.localization.resizing import on_picture

SIDE = 256  # Longest side of a small copy, in pixels.
MOST_BYTES = 24_000  # Of a small copy. 1,000 photographs took 11,000 on average; noise would take 40,000.
MAP_SIDE = 32  # Side of the square of a map, in pixels. A map is smooth, so a browser can enlarge it.
_SHADES = 63  # Colours of a map. More are hardly seen, and take more bytes.
_QUALITIES = (80, 65, 50, 35, 20, 10)


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A small copy of a picture.

    Attributes:
        jpeg: the copy as JPEG, at most `MOST_BYTES` long.
        width, height: its size in pixels, at most `SIDE`.
    """

    jpeg: bytes
    width: int
    height: int


def thumbnail(picture: Image.Image) -> Thumbnail:
    """Shrinks an RGB picture to at most `SIDE` pixels a side, at the highest quality that takes few enough bytes.

    Example:
        >>> small = thumbnail(Image.new("RGB", (1000, 500)))
        >>> small.width, small.height
        (256, 128)
    """
    scale = min(1, SIDE / max(picture.size))
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MOST_BYTES:
            break
    return Thumbnail(buffer.getvalue(), *picture.size)


def map_png(signed_map: np.ndarray, scale: float, width: int, height: int, resize: str = "squash") -> bytes:
    """Draws a signed map in the colours of `overlays`, for laying over its picture with the opacity `OPACITY`.

    Args:
        signed_map: [h, w].
        scale: value at which the colour scale ends, > 0.
        width, height: size of the picture, in any unit.
        resize: how it became the square that the network saw, see `localization.on_picture`.

    Returns:
        A PNG of at most `MAP_SIDE` x `MAP_SIDE` pixels, to be stretched over the picture; about 1,000 bytes.
    """
    share = MAP_SIDE / max(width, height)
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    smooth = np.asarray(on_picture(signed_map[None], rows, columns, resize))[0]
    shade = np.rint((_SHADES - 1) * (0.5 + 0.5 * np.clip(smooth / scale, -1, 1))).astype(np.uint8)
    picture = Image.fromarray(shade)
    picture.putpalette(_palette())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@functools.cache
def _palette():
    colours = overlays.diverging()(np.linspace(0, 1, _SHADES))[:, :3]
    return np.round(255 * colours).astype(np.uint8).tobytes()
