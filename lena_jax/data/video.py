"""Read a few upright RGB frames, spread evenly over a video file. Any problem with the file raises `BadVideo`.

Videos are decoded in worker processes with limits (`runtime/limited.py`), one at a time.
"""

import dataclasses
import os

import numpy as np

from lena_jax.data.video_decoding import BadVideo
from lena_jax.runtime import limited

__all__ = ["BadVideo", "Clip", "read_clip", "read_frame"]

# File name endings of `video_decoding.FORMATS`, to find videos in a table or folder.
ENDINGS = tuple(".mp4 .m4v .mov .3gp .3g2 .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .flv .ogv .wmv .asf".split())
MAX_FRAMES = 4096
# Longest side of a clip's frames. Networks see about 224 x 224 pixels; a film's frame has up to a hundred times that.
SIDE = 512
# Of processor time: for a video, for each frame that is asked for, and in all.
_SECONDS, _SECONDS_PER_FRAME, _MOST_SECONDS = 30, 3, 300

_DECODING = "lena_jax.data.video_decoding:"


@dataclasses.dataclass(frozen=True)
class Clip:
    """Some frames of a video.

    Attributes:
        frames: [T, H, W, 3] uint8, upright RGB, in time order.
        times: [T] float64, when each frame is first shown, in seconds from the first frame of the video.
        duration: duration of the video in seconds.
    """

    frames: np.ndarray
    times: np.ndarray
    duration: float


def read_clip(path, frames=16, rate=None, side=SIDE):
    """Read frames spread evenly over the duration of a video.

    Cut the video into T equal intervals, and take the frame that is shown in the middle of each. If the video has fewer
    than T frames, some are taken more than once.

    Args:
        path: path of the file, or its content (bytes). The format is told from the content, not from the name.
        frames: T, 1 to `MAX_FRAMES`.
        rate: frames per second. `frames` is then the maximum, no frame is taken twice, and the times stay evenly
            spaced. None: always take `frames` frames.
        side: longest side; larger frames are made smaller. None keeps their size.

    Returns:
        A `Clip`.

    Raises:
        BadVideo: no such file, not a video, damaged, cut off, too large or too long to read safely, or it needs more
            time or memory than it may.
        ValueError: `frames`, `rate` or `side` is out of range, or PyAV is not installed.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"frames: got {frames}, expected 1 to {MAX_FRAMES}")
    if rate is not None and not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"rate: got {rate}, expected a positive number of frames per second")
    if side is not None and side < 1:
        raise ValueError(f"side: got {side}, expected at least 1 pixel")
    seconds = min(_MOST_SECONDS, _SECONDS + _SECONDS_PER_FRAME * frames)
    rate = None if rate is None else float(rate)
    return _called("clip", path, seconds, {"frames": int(frames), "rate": rate, "side": side})


def read_frame(path, seconds):
    """Read the frame that is shown at a given time, at its full size.

    Args:
        path: path of the file, or its content (bytes).
        seconds: time from the first frame of the video, as in `Clip.times`.

    Returns:
        [H, W, 3] uint8, upright RGB.

    Raises:
        BadVideo, ValueError: see `read_clip`.
    """
    return _called("frame", path, _SECONDS + _SECONDS_PER_FRAME, {"seconds": float(seconds)}).frames[0]


def _called(function, path, seconds, options):
    data = path if isinstance(path, bytes) else b""
    options["path"] = None if isinstance(path, bytes) else os.path.abspath(os.fspath(path))
    try:
        with limited.called(
            _DECODING + function,
            data,
            size=len(data),
            cpu=seconds,
            errors={"BadVideo": BadVideo},
            options=options,
            need=limited.MEMORY,
        ) as answer:
            frames = np.empty(answer.known["shape"], np.uint8)
            view, place = memoryview(frames).cast("B"), 0
            for part in answer.parts:
                view[place : place + len(part)] = part
                place += len(part)
            return Clip(frames, np.array(answer.known["times"]), answer.known["duration"])
    except limited.Exceeded as error:
        raise BadVideo(f"is not decoded: it {error}") from error
