"""Metadata and what follows a picture do not decide whether its pixels are read; what is missing does."""

import io
import struct
import zlib

import numpy as np
import pytest
from colour_profiles import rgb_profile
from PIL import Image

from lena_jax.data import picture_files, pictures

SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((64, 48))


def encode(image, encoding, **options):
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


JPEG, PNG = encode(SMALL, "JPEG"), encode(SMALL, "PNG")


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name, content, check=None):
    check = zlib.crc32(name + content) if check is None else check
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def in_jpeg(*segments):
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def in_png(*chunks):
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def split_pixels(pieces):
    """Cut the pixels of the PNG into chunks with text between them."""
    place = PNG.index(b"IDAT") - 4
    content = PNG[place + 8 : -16]
    size = -(-len(content) // pieces)
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    text = chunk(b"tEXt", b"k\0x")
    return PNG[:place] + text.join(chunk(b"IDAT", part) for part in parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    {
        "film": JPEG + b"\0\0\0\x18ftypmp42" + np.random.default_rng(1).bytes(3 << 20),
        "pictures": JPEG + JPEG * 200,
        "zeros": JPEG + bytes(5000),
        "no end": JPEG[:-2],
        "half an end": JPEG[:-1],
        "no end and zeros": JPEG[:-2] + bytes(5000),
        "progressive without an end": encode(SMALL, "JPEG", progressive=True)[:-2],
        "comments": in_jpeg(*[segment(0xFE, bytes(60_000))] * 50),
        "damaged Photoshop": in_jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4" + b"\xff" * 20)),
        "damaged list of pictures": in_jpeg(segment(0xE2, b"MPF\0II*\0\xff\xff\xff\x7f")),
        "damaged Exif": in_jpeg(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    }.values(),
)
def test_a_jpeg_is_its_first_picture(data):
    picture = pictures.decode(data)
    plain = encode(SMALL, "JPEG", progressive=True) if b"\xff\xc2" in data[:1000] else JPEG
    assert picture.content == pictures.decode(plain).content
    # What was behind it is not stored.
    assert len(picture.data) <= len(data) + 2 and (not picture.data.startswith(JPEG) or len(picture.data) == len(JPEG))


@pytest.mark.parametrize("tail", [b"", bytes(3000), b"\xff"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_with_rows_missing_is_refused(tail, options):
    data = encode(SMALL, "JPEG", **options)
    with pytest.raises(pictures.BadPicture, match="does not decode: it is cut off"):
        pictures.decode(data[:-60] + tail)


@pytest.mark.parametrize(
    "data",
    {
        "text": in_png(chunk(b"tEXt", b"k\0" + b"x" * (2 << 20))),
        "text bomb": in_png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50 << 20)))),
        "check sum": in_png(chunk(b"tEXt", b"k\0x", 1)),
        "many": in_png(*[chunk(b"tEXt", b"k\0x")] * 5000),
        "damaged profile": in_png(chunk(b"iCCP", b"n\0\0garbage")),
        "damaged Exif": in_png(chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "no end": PNG[:-12],
        "cut in the last check sum": PNG[:-14],
        "in two": split_pixels(2),
        "in many": split_pixels(3000),
    }.values(),
)
def test_a_png_is_its_pixels(data):
    assert pictures.decode(data).content == pictures.decode(PNG).content


def test_a_profile_in_pieces_out_of_order_is_put_together():
    profile = rgb_profile()
    parts = [profile[:100], profile[100:300], profile[300:]]
    segments = [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, 3]) + part) for number, part in enumerate(parts, 1)]
    assert picture_files.take_apart(in_jpeg(*segments[::-1])).profile == profile


@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_that_of_pillow(value):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "maker", value
    for order in ("<", ">"):
        exif.endian = order
        assert picture_files.orientation_of(exif.tobytes()) == value
    for damaged in (b"", b"Exif\0\0", b"MM", b"II*\0\xff\xff\xff\xff", exif.tobytes()[:20]):
        assert picture_files.orientation_of(damaged) == 1


@pytest.mark.parametrize("size", [(8, 8), (256, 200), (1000, 500), (70_000, 3), (1, 300)])
def test_the_size_of_a_jpeg_xl_is_in_its_header(size):
    pytest.importorskip("pillow_jxl")
    pictures.header(b"")
    data = encode(Image.new("L", size), "JXL")
    assert picture_files.jxl_size(data) == size
    box = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl " + struct.pack(">I", len(data) + 8) + b"jxlc"
    assert picture_files.jxl_size(box + data) == size
    if max(size) > pictures.MAX_SIDE:
        with pytest.raises(pictures.BadPicture, match="too many pixels"):
            pictures.decode(data)


@pytest.mark.parametrize(
    "data, name",
    [
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "Canon CR3"),
        (b"8BPS\0\1" + bytes(60), "Photoshop"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\0\0\0\x20ftypheic\0\0\0\0mif1heic" + bytes(40), "HEIC"),
        (b"\0\5\x16\7\0\2\0\0", "macOS"),
        (b"", "an empty file"),
        (encode(Image.new("L", (9, 9)), "TIFF", tiffinfo={254: 1, 271: "NIKON"}), "raw photograph .NIKON."),
    ],
)
def test_what_is_not_read_is_named(data, name):
    with pytest.raises(pictures.BadPicture, match=name):
        pictures.decode(data)


def test_the_primary_picture_of_a_heic_is_read():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red"))
    file.add_from_pillow(SMALL)
    buffer = io.BytesIO()
    file.save(buffer, quality=90, primary_index=1)
    assert pictures.stored_pixels(buffer.getvalue()).size == SMALL.size
