"""How much of a decoded picture is there, whatever its file says: decoders fill in what is missing.

GIF, WebP, JPEG XL and most kinds of TIFF are not looked at: their decoders refuse a picture that is not whole.
"""

import contextlib
import math
import re
import zlib

import numpy as np
from PIL import Image

from lena_jax.data import missing_jpeg, missing_tiff
from lena_jax.data.picture_files import PictureFile

# Least share of the pixels that must be there.
LEAST = 0.95
# Coded pixels never have so many zeros. A disk or a download leaves them where something is missing.
_MANY = 256
_ZEROS = re.compile(rb"\0{%d,}" % _MANY)
# Rows and columns of the seven passes of an interlaced PNG: first and step.
_PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))


def share_there(file: PictureFile, picture: Image.Image, said: str) -> float:
    """Return which share of the pixels is in the file, 0 to 1. What is above `LEAST` may be returned as 1.

    Args:
        file: what the decoder saw.
        picture: the loaded picture.
        said: what the decoder has said while it decoded.
    """
    kind = picture.format
    if kind in ("JPEG", "MPO"):
        there = missing_jpeg.share_there(file, picture, LEAST)
        return min(there, _without_zeros(file.data)) if there >= LEAST and bytes(_MANY) in file.data else there
    if kind == "PNG":
        return _png(file.data, picture)
    if kind == "TIFF":
        return missing_tiff.share_there(file.data, picture, said, LEAST)
    if kind in ("HEIF", "AVIF"):
        content = _content(file.data)
        there = len(content.rstrip(b"\0"))
        return there / len(content) if len(content) - there > _MANY else 1.0
    return 1.0


def _without_zeros(data):
    """Return which share of the bytes is not in long rows of zeros."""
    return 1 - sum(len(zeros[0]) for zeros in _ZEROS.finditer(data)) / max(1, len(data))


def _content(data):
    """Return the content of the box with the coded pixels of a HEIF or AVIF picture."""
    place = 0
    for _ in range(1000):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if name == b"mdat":
            return data[place + 8 : place + length] if length > 8 else data[place + 16 :]
        if length < 8:
            break
        place += length
    return b""


def _png(data, picture):
    width, height = picture.size
    # What is missing is zero. Of an interlaced picture, every second row is missing first.
    end = picture.crop((0, max(0, height - 2), width, height))
    lines = np.asarray(end)
    if height > 1 and all(line.any() for line in lines):
        return 1.0
    bits, colour, interlaced = data[24], data[25], data[28]
    pixel = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = _PASSES if interlaced else ((0, 1, 0, 1),)
    sizes = [(math.ceil((height - y) / dy), math.ceil((width - x) / dx)) for y, dy, x, dx in passes]
    expected = sum(max(0, rows) * (1 + math.ceil(columns * pixel / 8)) for rows, columns in sizes if columns > 0)
    return min(1.0, _unpacked_size(data, expected) / expected)


def _unpacked_size(data, most):
    """Return how many bytes the pixels of a PNG have when they are unpacked, counted up to `most`."""
    unpack, count, place = zlib.decompressobj(), 0, 8
    with contextlib.suppress(zlib.error):
        while count < most and place < len(data) and not unpack.eof:
            length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
            rest = data[place + 8 : place + 8 + length] if name == b"IDAT" else b""
            while rest and not unpack.eof:
                count += len(unpack.decompress(rest, 1 << 20))
                rest = unpack.unconsumed_tail
            place += 12 + length
    return count
