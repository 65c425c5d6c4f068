"""Pictures that end properly and lack pixels, in formats other than JPEG and TIFF; and whole ones with plain ends."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lena_jax.data import picture_decoding

RNG = np.random.default_rng(0)
PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels, share=1.0, interlaced=False):
    """Write a PNG of [H, W, C] uint8 or uint16 that holds a share of its lines. (Pillow refuses half a line.)"""
    height, width, channels = pixels.shape
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    parts = [big[y::dy, x::dx] for y, dy, x, dx in PASSES] if interlaced else [big]
    lines = [b"\0" + line.tobytes() for part in parts if part.size for line in part]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, interlaced)
    packed = zlib.compress(b"".join(lines[: int(len(lines) * share)]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def share_told(data):
    """Return the share that the refusal tells; None if the picture is read."""
    try:
        picture_decoding.upright_pixels(data)
    except picture_decoding.BadPicture as error:
        return int(str(error).split("about ")[1].split(" %")[0]) / 100
    return None


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_with_rows_missing(channels, depth, interlaced):
    pixels = RNG.integers(1, 255 if depth is np.uint8 else 65535, (61, 47, channels)).astype(depth)
    assert share_told(png(pixels, 1, interlaced)) is None
    for share in (0.05, 0.4, 0.9):
        # The lines of the first passes of an interlaced one are short.
        told = share_told(png(pixels, share, interlaced))
        assert 0 <= told < share if interlaced else told == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (61, 47)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_black_png_is_whole(size, interlaced):
    assert share_told(png(np.zeros((*size, 3), np.uint8), 1, interlaced)) is None


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_what_a_disk_lost_at_the_end_is_missing(kind):
    buffer = io.BytesIO()
    picture_decoding._register()
    Image.fromarray(RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(buffer, kind, quality=80)
    data = buffer.getvalue()
    assert share_told(data) is None and share_told(data + bytes(5000)) is None
    keep = int(0.4 * len(data))
    assert share_told(data[:keep] + bytes(len(data) - keep)) == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "PPM", "PNG"])
def test_a_file_that_is_cut_off_does_not_decode(kind):
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(buffer, kind)
    for share in (0.3, 0.9):
        with pytest.raises(picture_decoding.BadPicture):
            picture_decoding.upright_pixels(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
