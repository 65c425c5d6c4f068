"""A clip as one picture to be stored: its frames one below the other, as a lossless PNG."""

import io

import numpy as np
from PIL import Image

from lena_jax.data.pictures import Picture, content_hash

# More would be beyond what one picture may have (`lena_jax.pictures.MAX_PIXELS`) at the size of stored frames.
MAX_FRAMES = 128


def check_frames(frames: int) -> int:
    """Returns `frames`, if a clip can be stored with so many.

    Raises:
        ValueError: it cannot.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames: got {frames}, expected 1 to {MAX_FRAMES}")
    return frames


def decode(data: bytes, frames: int) -> Picture:
    """Returns the clip in the content of a video file as it is to be stored, see `video.reading.read_clip`.

    Raises:
        BadVideo: a `BadPicture`, if it cannot be used.
    """
    from lena_jax.data.video import read_clip

    strip = Image.fromarray(lay_out(read_clip(data, frames).frames))
    buffer = io.BytesIO()
    strip.save(buffer, "PNG")
    return Picture(buffer.getvalue(), content_hash(strip))


def lay_out(frames: np.ndarray) -> np.ndarray:
    """[T, H, W, 3] -> [T H, W, 3], which `lena_jax.scored_pictures.ClipSource` undoes."""
    return frames.reshape(-1, *frames.shape[2:])
