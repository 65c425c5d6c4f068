"""TIFFs that lack pixels, or hold damaged ones, in the codings whose decoder does not say so."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from lena_jax.data import pictures

RNG = np.random.default_rng(0)
NOISY = Image.fromarray(RNG.integers(1, 256, (96, 128, 3), dtype=np.uint8))
LINES = Image.fromarray((np.add.outer(3 * np.arange(240), 2 * np.arange(320)) % 97) > 50).convert("1")
BILEVEL = ("group3", "group4", "tiff_ccitt")


def encode(picture, coding, **tags):
    buffer = io.BytesIO()
    picture.save(buffer, "TIFF", compression=coding, tiffinfo=tags)
    return buffer.getvalue()


def parts(data):
    """Return (place, length, where the length is stored and how) of each strip."""
    (table,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, table)
    found = {}
    for at in range(table + 2, table + 2 + 12 * count, 12):
        tag, kind, many, place = struct.unpack_from("<HHII", data, at)
        code, size = {3: ("<H", 2), 4: ("<I", 4)}.get(kind, ("<B", 1))
        start = at + 8 if many * size <= 4 else place
        found[tag] = [
            (struct.unpack_from(code, data, start + n * size)[0], start + n * size, code) for n in range(many)
        ]
    return [(place[0], *length) for place, length in zip(found[273], found[279], strict=True)]


def cut(data, share):
    """Keep a share of the coded pixels: the lengths of the strips say so."""
    result, left = bytearray(data), int(share * sum(length for _, length, _, _ in parts(data)))
    for place, length, at, code in parts(data):
        keep = min(length, left)
        left -= keep
        struct.pack_into(code, result, at, keep)
        result[place + keep : place + length] = bytes(length - keep)
    return bytes(result)


def share_told(data):
    """Return the share that the refusal tells, 0 if the decoder itself refused; None if the picture is read."""
    try:
        pictures.stored_pixels(data)
    except pictures.BadPicture as error:
        return int(str(error).split("about ")[1].split(" %")[0]) / 100 if "about" in str(error) else 0
    return None


@pytest.mark.parametrize("coding", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", *BILEVEL])
def test_whole_pictures_are_read_and_cut_ones_refused(coding):
    data = encode(LINES if coding in BILEVEL else NOISY, coding)
    assert share_told(data) is None
    for share in (0.05, 0.5, 0.85):
        told = share_told(cut(data, share))
        assert told == 0 or told == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("coding", [*BILEVEL, "raw"])
@pytest.mark.parametrize("colour", [0, 255])
def test_plain_pages_are_whole(coding, colour):
    assert share_told(encode(Image.new("L", (64, 80), colour).convert("1"), coding)) is None
    half = LINES.copy()
    half.paste(colour, (0, 80, 320, 240))
    assert share_told(encode(half, coding)) is None


@pytest.mark.parametrize("coding", BILEVEL)
def test_damaged_lines_count_as_missing(coding):
    data = encode(LINES, coding)
    (place, length, _, _), *_ = parts(data)
    for _ in range(10):
        damaged = bytearray(data)
        for at in RNG.integers(place, place + length // 2, 40):
            damaged[at] = RNG.integers(256)
        assert share_told(bytes(damaged)) is not None


def test_a_jpeg_in_a_tiff_that_ends_early():
    data = bytearray(encode(NOISY.resize((640, 480)), "jpeg"))
    for place, length, _, _ in parts(data):
        half = place + length // 2
        data[half : half + 2] = b"\xff\xd9"
    assert share_told(bytes(data)) == pytest.approx(0.5, abs=0.1)
