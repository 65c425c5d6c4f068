"""Bring a decoded frame to RGB as screens show it, whatever colours its video says it has."""

import functools

import numpy as np
from PIL import Image, ImageFilter

# Colours a side of the table that converts them.
_SIDE = 65
# Numbers of ITU-T H.273. Transfers that are not like those of ordinary screens.
_UNUSUAL = {
    8: "linear light",
    9: "a logarithm of light",
    10: "a logarithm of light",
    16: "HDR (PQ)",
    17: "light of cinemas (SMPTE 428)",
    18: "HDR (HLG)",
}
# Primaries of ordinary screens, or unspecified ones.
_ORDINARY = (0, 1, 2, 5, 6)
# Dolby Vision without a picture for ordinary screens.
_DOLBY_VISION = 15


class Unconvertible(ValueError):
    """The colours cannot be brought to those of ordinary screens. The message says why and what to do."""


def to_rgb(frame) -> np.ndarray:
    """Convert a frame to [H, W, 3] uint8.

    FFmpeg's scaler converts colours: HDR becomes SDR with the reference white of 203 nits as white, by relative
    colorimetry, and brighter light is white as well. Wide primaries become those of sRGB. Matrix and range are those
    that the video states.

    Args:
        frame: `av.VideoFrame`.

    Raises:
        Unconvertible: this FFmpeg cannot convert the colours.
    """
    transfer, primaries, matrix = (int(one) for one in (frame.color_trc, frame.color_primaries, frame.colorspace))
    if matrix == _DOLBY_VISION:
        raise Unconvertible(_refusal("Dolby Vision without a picture for ordinary screens"))
    if transfer not in _UNUSUAL and primaries in _ORDINARY:
        return frame.to_ndarray(format="rgb24")
    what = _UNUSUAL.get(transfer, f"wide colours (primaries {primaries})")
    try:
        table = _table(transfer, primaries)
    except (ValueError, OSError, AttributeError) as error:
        raise Unconvertible(_refusal(f"{what}, which this FFmpeg cannot convert ({error})")) from error
    return np.asarray(Image.fromarray(frame.to_ndarray(format="rgb24")).filter(table))


def _refusal(what):
    return f"has colours of {what}: convert it to SDR (BT.709) first, as phones do when they share a video"


@functools.lru_cache(maxsize=8)
def _table(transfer, primaries):
    """Return a table of colours, made by FFmpeg, which takes seconds to prepare a conversion.

    Returns:
        `ImageFilter.Color3DLUT` of `_SIDE` colours a side.
    """
    import av
    from av.filter import Graph

    steps = np.rint(np.linspace(0, 65535, _SIDE)).astype(np.uint16)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    lattice = np.ascontiguousarray(np.stack([red, green, blue], -1).reshape(_SIDE, _SIDE * _SIDE, 3))
    frame = av.VideoFrame.from_ndarray(lattice, format="rgb48le")
    frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range = transfer, primaries or 2, 0, 2
    options = "out_primaries=bt709:intent=relative_colorimetric"
    if transfer in _UNUSUAL:
        options += ":out_transfer=iec61966-2-1"
    graph = Graph()
    # The time base and the shape of pixels do not matter, but must be given.
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt=rgb48le:time_base=1/30:pixel_aspect=1/1"
        ":colorspace=gbr:range=pc",
    )
    chain = [source, graph.add("scale", options), graph.add("format", "pix_fmts=rgb24"), graph.add("buffersink")]
    for before, after in zip(chain, chain[1:], strict=False):
        before.link_to(after)
    graph.configure()
    graph.push(frame)
    colours = graph.pull().to_ndarray(format="rgb24")
    return ImageFilter.Color3DLUT(_SIDE, (colours.reshape(-1, 3) / 255).ravel().tolist())
