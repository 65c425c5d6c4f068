"""Write small video files of known colours and times with PyAV."""

import av
import numpy as np


def colours(count):
    """Return colours, [count, 3] uint8, each redder and less green than the one before."""
    red = np.linspace(0, 240, count)
    return np.stack([red, 250 - red, np.full(count, 100)], -1).astype(np.uint8)


def plain(colour, size=(64, 48)):
    """Make a frame of one colour and of size (W, H): [H, W, 3] uint8."""
    return np.broadcast_to(np.asarray(colour, np.uint8), (size[1], size[0], 3)).copy()


def corners(size=(64, 48)):
    """Make a black frame with a red corner (top left), a green one (top right) and a blue one (bottom left)."""
    frame = plain((0, 0, 0), size)
    frame[:16, :16, 0] = frame[:16, -16:, 1] = frame[-16:, :16, 2] = 255
    return frame


def write(
    path, frames, codec="libx264", rate=10, key_every=8, turned=None, lossless=False, pixels="yuv420p", said=None
):
    """Write frames [H, W, 3] uint8 as a video.

    Args:
        path: file to write; its ending decides the format.
        frames: frames of equal size.
        codec, rate: codec and frames per second of the stream.
        key_every: number of frames from one key frame to the next.
        turned: arguments of `VideoStream.set_display_rotation`.
        lossless: whether to use libx264rgb without loss instead of `codec`.
        pixels: pixel format of the stream.
        said: (primaries, transfer, matrix) that the stream says it has, numbers of ITU-T H.273; None for nothing.
    """
    options = {} if codec == "gif" else {"g": str(key_every)}
    if lossless:
        codec, pixels, options = "libx264rgb", "rgb24", options | {"qp": "0"}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else pixels
        if said is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = said
        if turned is not None:
            stream.set_display_rotation(*turned)
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        file.mux(stream.encode())


def copy(source, path, **options):
    """Copy the packets of a video into another file, with options of that file's format."""
    with av.open(str(source)) as before, av.open(str(path), "w", options=options) as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                after.mux(packet)


def write_sound(path):
    """Write a file that holds a tenth of a second of silence and nothing else."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        for number in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
