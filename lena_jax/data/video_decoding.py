"""The steps from a video file to a few upright RGB frames. Any problem with the file raises `BadVideo`.

`video.py` runs them in a process with limits.

The file is read twice. The first pass lists its packets without decoding. It finds what frames there are and when they
are shown, whatever the header says. The second pass decodes the chosen frames, and skips stretches between two key
frames that hold none of them. Memory holds the chosen frames and the decoder's state, never the whole video.
"""

import contextlib
import dataclasses
import io
import os
import time
from typing import Any

import numpy as np
from PIL import Image

from lena_jax.data import video_colours
from lena_jax.data.picture_decoding import BadPicture
from lena_jax.runtime.files import open_plain

# The formats that FFmpeg may read: no playlist or script, since these name other files and addresses.
FORMATS = tuple("mov mp4 m4a 3gp 3g2 mj2 matroska webm avi mpegts mpeg flv ogg asf gif".split())
# Limits that keep a hostile or broken file from using up the machine.
MAX_FILE_BYTES = 8 << 30
MAX_PIXELS = 7680 * 4320
MAX_SIDE = 16_384
MAX_SECONDS = 2 * 3600
MAX_PACKETS = 600_000
# Of all frames that are asked for. They are kept in two processes, and between them.
MAX_BYTES = 320 << 20
# Time limit for reading one file, checked between packets.
MAX_READING_SECONDS = 600
# Files round times: a frame counts as shown this many seconds before its stored time.
_ROUNDING = 1e-3
# Least share of the frames promised by the file's index that must be there.
_LEAST_THERE = 0.95
_THREADS = 4


class BadVideo(BadPicture):
    """A video cannot be used. The message says why; the caller adds the video's name."""


def prepare() -> None:
    """Make a worker process ready."""
    with contextlib.suppress(ImportError):
        import av  # noqa: F401


def clip(
    data: bytes, path: str | None, frames: int, rate: float | None, side: int | None, memory: int | None = None
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read frames spread evenly over the duration of a video, see `video.read_clip`.

    Args:
        data: the content of the file, if there is no path.
        path: path of the file, or None.
        frames, rate, side: see `video.read_clip`.
        memory: how many bytes this may take; they are all that there are.

    Returns:
        Times, duration and the shape of all frames; and the frames.

    Raises:
        BadVideo, ValueError: see `video.read_clip`.
    """

    def choose(times, duration):
        count = frames if rate is None else max(1, min(frames, len(times), round(duration * rate)))
        middles = (np.arange(count) + 0.5) * duration / count
        return np.searchsorted(times, middles + _ROUNDING, side="right") - 1

    return _read(data if path is None else path, choose, side)


def frame(
    data: bytes, path: str | None, seconds: float, memory: int | None = None
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read the frame that is shown at a given time, at its full size, see `video.read_frame`; as `clip` returns it."""

    def choose(times, _):
        return np.searchsorted(times, [seconds + _ROUNDING], side="right") - 1

    return _read(data if path is None else path, choose, None)


def _read(path, choose, side):
    deadline = time.monotonic() + MAX_READING_SECONDS
    with _opened(path) as stream:
        index = _index(stream, deadline)
    tick, shown = index.tick, np.unique(index.pts)
    last = np.median(np.diff(shown)) if len(shown) > 1 else 1 / tick / 25
    duration = float((shown[-1] - shown[0] + max(last, index.last_duration)) * tick)
    if duration > MAX_SECONDS:
        raise BadVideo(f"too long to read safely: got {duration:,.0f} s, expected at most {MAX_SECONDS:,}")
    wanted = shown[np.clip(choose((shown - shown[0]) * tick, duration), 0, len(shown) - 1)]
    with _opened(path) as stream:
        found = _decoded(stream, index, np.unique(wanted), side, deadline)
    if len({frame.shape for _, frame in found.values()}) > 1:
        raise BadVideo("its frames change size, expected one size")
    pts, frames = zip(*(found[one] for one in wanted.tolist()), strict=True)
    if len(frames) * frames[0].size > MAX_BYTES:
        raise BadVideo(
            f"its frames are too large: got {len(frames):,} of {frames[0].shape[1]}x{frames[0].shape[0]}, "
            f"expected at most {MAX_BYTES:,} bytes in all"
        )
    times = (np.array(pts) - shown[0]) * tick
    return {"times": times.tolist(), "duration": duration, "shape": [len(frames), *frames[0].shape]}, list(frames)


@dataclasses.dataclass(frozen=True)
class _Index:
    """The packets of a video, in file order.

    Attributes:
        pts: [n] int64, when the frame of each packet is shown, in ticks.
        keys: [n] bool, whether decoding can start at the packet.
        tick: length of a tick in seconds.
        last_duration: how long the last frame is shown, in ticks.
    """

    pts: np.ndarray
    keys: np.ndarray
    tick: float
    last_duration: int


def _index(stream, deadline):
    pts, keys, durations = [], [], []
    for packet in _packets(stream, deadline):
        pts.append(_time(packet))
        keys.append(packet.is_keyframe)
        durations.append(packet.duration or 0)
    if not pts:
        raise BadVideo("holds no frames")
    if len(pts) < _LEAST_THERE * (stream.frames or 0):
        raise BadVideo(f"is cut off: got {len(pts):,} frames, expected the {stream.frames:,} of its index")
    return _Index(
        np.array(pts, np.int64), np.array(keys, bool), float(stream.time_base), durations[int(np.argmax(pts))]
    )


def _time(packet):
    pts = packet.dts if packet.pts is None else packet.pts
    if pts is None:
        raise BadVideo("does not say when its frames are shown")
    return pts


def _packets(stream, deadline):
    """Yield the packets of a stream that are not empty."""
    for number, packet in enumerate(stream.container.demux(stream)):
        if number >= MAX_PACKETS:
            raise BadVideo(f"has too many frames to read safely, expected at most {MAX_PACKETS:,}")
        if time.monotonic() > deadline:
            raise BadVideo(f"takes longer than {MAX_READING_SECONDS} s to read")
        if packet.size:
            if packet.is_corrupt:
                raise BadVideo("is damaged or cut off")
            yield packet


def _decoded(stream, index, wanted, side, deadline):
    """Decode the frames shown at the times `wanted`, ascending.

    If the packet at a time gives no visible frame, take the next frame.

    Returns:
        {time in ticks: (time of the frame, [H, W, 3] uint8)}.
    """
    starts = {}
    for pts in wanted.tolist():
        place = int(np.flatnonzero(index.pts == pts)[0])
        # A frame stored after a key frame but shown before it may need packets from before the key frame.
        before = np.flatnonzero(index.keys[: place + 1] & (index.pts[: place + 1] <= pts))
        starts.setdefault(int(before[-1]) if len(before) else 0, []).append(pts)
    stream.thread_type = "AUTO"
    # Each thread keeps frames of its own.
    stream.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
    found, pending = {}, []

    def take(frames):
        for frame in frames:
            shown = frame.dts if frame.pts is None else frame.pts
            done = [pts for pts in pending if shown is not None and pts <= shown]
            if done:
                picture = _upright(frame, side)
                for pts in done:
                    found[pts] = shown, picture
                    pending.remove(pts)

    for number, packet in enumerate(_packets(stream, deadline)):
        if number in starts:
            if not pending:
                stream.codec_context.flush_buffers()
            pending += starts[number]
        if pending:
            take(packet.decode())
        elif len(found) == len(wanted):
            break
    if pending:
        take(stream.decode(None))
    if pending:
        raise BadVideo(f"is damaged: nothing decodes after {(pending[0] - index.pts.min()) * index.tick:.2f} s")
    return found


def _upright(frame, side):
    """Convert a decoded frame to [H, W, 3] uint8, rotated and mirrored as the file says, at most `side` long."""
    _check_size(frame.width, frame.height)
    try:
        pixels = video_colours.to_rgb(frame)
    except video_colours.Unconvertible as error:
        raise BadVideo(str(error)) from error
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        pixels = _turned(pixels, np.frombuffer(matrix, np.int32))
    height, width = pixels.shape[:2]
    if side is not None and max(height, width) > side:
        size = max(1, round(width * side / max(height, width))), max(1, round(height * side / max(height, width)))
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC))
    return np.ascontiguousarray(pixels)


def _turned(pixels, matrix):
    """Apply a display matrix: the pixel in column p, row q goes to column `a p + c q`, row `b p + d q`."""
    a, b, _, c, d = matrix[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a, d
    else:
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


@contextlib.contextmanager
def _opened(path):
    """Open the video stream of a file. Within the context, errors of FFmpeg become `BadVideo`."""
    try:
        import av
    except ImportError as error:
        raise ValueError(f"reading a video needs PyAV ({error}): pip install 'lena-jax[video]'") from error
    # The content must not make FFmpeg open other files or addresses, or allocate frames of any size a header claims.
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none", "max_pixels": str(MAX_PIXELS)}
    # Metadata that is no text must not decide whether frames are read. PyAV 19 took the option away.
    lenient = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    with _plain_file(path) as file:
        try:
            with av.open(file, options=options, buffer_size=1 << 20, **lenient) as container:
                yield _video_stream(container)
        except BadVideo:
            raise
        except MemoryError as error:
            raise BadVideo("too large for the memory that is left") from error
        # On hostile bytes PyAV raises these besides FFmpeg's errors and those of reading the file.
        except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
            raise BadVideo(f"does not decode as a video: {getattr(error, 'strerror', None) or error}") from error


def _video_stream(container):
    import av

    pictures = av.stream.Disposition.attached_pic
    streams = [one for one in container.streams.video if not one.disposition & pictures]
    if not streams:
        raise BadVideo(
            "has still pictures only, no video"
            if container.streams.video
            else "has sound or text only, no video"
            if container.streams
            else "holds nothing"
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise BadVideo("uses a codec that this FFmpeg cannot decode")
    _check_size(stream.codec_context.width, stream.codec_context.height)
    return stream


def _check_size(width, height):
    if width < 1 or height < 1:
        raise BadVideo("does not decode as a video: its frames have no size, or one that is too large")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadVideo(
            f"too many pixels to decode safely: got {width}x{height}, expected at most {MAX_PIXELS:,} "
            f"pixels and {MAX_SIDE:,} a side"
        )


@contextlib.contextmanager
def _plain_file(path):
    """Open a file. FFmpeg gets the open file: it would take some paths for addresses."""
    if isinstance(path, bytes):
        yield io.BytesIO(path)
        return
    with open_plain(path, MAX_FILE_BYTES, BadVideo) as file:
        if not os.fstat(file.fileno()).st_size:
            raise BadVideo("is an empty file")
        yield file
