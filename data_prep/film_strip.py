"""Store a clip as one picture: its frames one below the other, as a lossless PNG."""

import io

import numpy as np
from PIL import Image

from lena_jax.data.pictures import Picture, content_hash

# At the size of stored frames, more would exceed the pixels of one picture (`lena_jax.data.pictures.MAX_PIXELS`).
MAX_FRAMES = 128


def check_frames(frames: int) -> int:
    """Return `frames` if a clip can be stored with so many.

    Raises:
        ValueError: it cannot.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames: got {frames}, expected 1 to {MAX_FRAMES}")
    return frames


def decode(data: bytes, frames: int) -> Picture:
    """Return the clip of a video file as the picture to store.

    Args:
        data: the content of the file.
        frames: how many frames to take, see `lena_jax.data.video.read_clip`.

    Raises:
        BadVideo: the video cannot be used; a kind of `BadPicture`.
    """
    from lena_jax.data.video import read_clip

    strip = Image.fromarray(lay_out(read_clip(data, frames).frames))
    buffer = io.BytesIO()
    strip.save(buffer, "PNG")
    return Picture(buffer.getvalue(), content_hash(strip), strip.size)


def lay_out(frames: np.ndarray) -> np.ndarray:
    """Stack frames [T, H, W, 3] to [T H, W, 3]; `lena_jax.data.dataset.ClipSource` undoes it."""
    return frames.reshape(-1, *frames.shape[2:])
