"""Safe decoding: which files are kept, how others are converted, and which are refused."""

import concurrent.futures
import hashlib
import io
import os
import struct
import sys
import warnings
import zlib

import hostile_pictures
import numpy as np
import pytest
from PIL import Image

from lena_jax.data import pictures
from lena_jax.runtime import limited


def encode(image, encoding, **options):
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def decode(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert image.getexif().get(0x0112, 1) == 1
        return image.format, np.asarray(image)


@pytest.fixture
def ramp():
    """A smooth RGB picture [32, 48, 3], which JPEG hardly changes."""
    x = np.linspace(20, 230, 48)
    y = np.linspace(-10, 10, 32)[:, None]
    return Image.fromarray(np.dstack([x + y, x - y, 0 * y + x]).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:2:0", "quality": 40}])
def test_an_rgb_jpeg_is_kept_byte_for_byte(ramp, options):
    data = encode(ramp, "JPEG", **options)
    assert pictures.to_rgb(data) is data


def test_exif_rotation_is_applied(ramp):
    exif = Image.Exif()
    exif[0x0112] = 6  # Stored on its side: rotate it by 90 degrees clockwise.
    encoding, pixels = decode(pictures.to_rgb(encode(ramp, "JPEG", quality=95, exif=exif)))
    assert encoding == "JPEG"
    expected = np.asarray(ramp.transpose(Image.Transpose.ROTATE_270))
    assert pixels.shape == expected.shape == (48, 32, 3)
    assert np.abs(pixels.astype(int) - expected).mean() < 3


def test_a_png_s_exif_rotation_is_applied(ramp):
    exif = Image.Exif()
    exif[0x0112] = 3
    encoding, pixels = decode(pictures.to_rgb(encode(ramp, "PNG", exif=exif)))
    assert encoding == "PNG"
    np.testing.assert_array_equal(pixels, np.asarray(ramp)[::-1, ::-1])


@pytest.mark.parametrize("encoding", ["JPEG", "PNG"])
def test_grey_gets_three_equal_channels(ramp, encoding):
    _, pixels = decode(pictures.to_rgb(encode(ramp.convert("L"), encoding)))
    assert np.all(pixels == pixels[..., :1])
    assert np.abs(pixels[..., 0].astype(int) - np.asarray(ramp.convert("L"))).mean() < 2


def test_cmyk_is_converted(ramp):
    encoding, pixels = decode(pictures.to_rgb(encode(ramp.convert("CMYK"), "JPEG", quality=95)))
    assert encoding == "JPEG"
    assert np.abs(pixels.astype(int) - np.asarray(ramp)).mean() < 3


def test_a_palette_is_resolved(ramp):
    _, pixels = decode(pictures.to_rgb(encode(ramp.quantize(64), "PNG")))
    np.testing.assert_array_equal(pixels, np.asarray(ramp.quantize(64).convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(ramp, mode):
    image = ramp.convert(mode)
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:, 24:] = 0
    image.putalpha(Image.fromarray(alpha))
    _, pixels = decode(pictures.to_rgb(encode(image, "PNG")))
    assert np.all(pixels[:, 24:] == 255)
    np.testing.assert_array_equal(pixels[:, :24], np.asarray(ramp.convert(mode).convert("RGB"))[:, :24])


def test_a_transparent_palette_is_laid_on_white(ramp):
    palette = ramp.quantize(16)
    index = int(np.asarray(palette)[0, 0])
    _, pixels = decode(pictures.to_rgb(encode(palette, "PNG", transparency=index)))
    assert np.all(pixels[np.asarray(palette) == index] == 255)
    assert np.any(pixels != 255)


def test_sixteen_bits_become_eight_and_not_white():
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    _, pixels = decode(pictures.to_rgb(encode(Image.fromarray(values), "PNG")))
    np.testing.assert_allclose(pixels[..., 0], values / 257, atol=1)


@pytest.mark.parametrize("encoding", ["GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_other_formats_become_png(ramp, encoding):
    stored, pixels = decode(pictures.to_rgb(encode(ramp, encoding)))
    assert stored == "PNG"
    assert np.abs(pixels.astype(int) - np.asarray(ramp)).mean() < 12


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    _, pixels = decode(pictures.to_rgb(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    assert np.all(pixels == [255, 0, 0])


def test_a_camera_s_multi_picture_file_gives_its_first(ramp):
    data = encode(ramp, "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))], quality=95)
    encoding, pixels = decode(pictures.to_rgb(data))
    assert encoding == "JPEG"
    assert np.abs(pixels.astype(int) - np.asarray(ramp)).mean() < 3


def test_metadata_is_left_behind_when_stored_again(ramp):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    data = pictures.to_rgb(encode(ramp, "PNG", exif=exif))
    assert b"a camera" not in data


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "GIF"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_picture_does_not_decode(encoding, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, encoding)
    with pytest.raises(pictures.BadPicture, match="does not decode"):
        pictures.to_rgb(data[: int(kept * len(data))])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 500])
def test_what_is_no_picture_does_not_decode(data):
    with pytest.raises(pictures.BadPicture, match="does not decode") as caught:
        pictures.to_rgb(data)
    # Equal builds must write equal reports, so errors have no memory addresses.
    assert " at 0x" not in str(caught.value)


def png_that_claims(width, height):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (50_000, 50_000), (40_000, 2), (2, 2_000_000_000)])
def test_a_decompression_bomb_is_refused_by_its_header(size):
    with pytest.raises(pictures.BadPicture, match="too many pixels"):
        pictures.to_rgb(png_that_claims(*size))


def test_a_text_chunk_that_unpacks_to_a_lot_is_not_unpacked(ramp):
    data = encode(ramp, "PNG")
    content = b"comment\0\0" + zlib.compress(bytes(50 << 20))
    chunk = struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    after_header = 8 + 25
    _, pixels = decode(pictures.to_rgb(data[:after_header] + chunk + data[after_header:]))
    np.testing.assert_array_equal(pixels, np.asarray(ramp))


def test_a_jpeg_of_endless_passes_is_refused(ramp):
    data = encode(ramp, "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    few, many = (data[:-2] + count * scan + b"\xff\xd9" for count in (20, 200))
    assert pictures.to_rgb(few) is few
    with pytest.raises(pictures.BadPicture, match="too many scans to decode safely, expected at most 100"):
        pictures.to_rgb(many)


@pytest.mark.parametrize("magic", [b"P1", b"P2", b"P3"])
def test_a_picture_written_as_text_is_refused(magic):
    with pytest.raises(pictures.BadPicture, match="numbers as text"):
        pictures.to_rgb(magic + b"\n2 1\n" + b"255\n" * (magic != b"P1") + b"#c\n" * 9 + b"1 0 1 0 1 0\n")


def test_the_stored_pixels_are_those_of_the_stored_file(ramp):
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (
        encode(ramp, "JPEG"),
        encode(ramp, "JPEG", exif=exif),
        encode(ramp.convert("CMYK"), "JPEG"),
        encode(ramp.convert("L"), "JPEG"),
        encode(ramp.quantize(9), "PNG"),
        encode(ramp, "PNG", exif=exif),
    ):
        _, expected = decode(pictures.to_rgb(data))
        np.testing.assert_array_equal(np.asarray(pictures.stored_pixels(data)), expected)
        with Image.open(io.BytesIO(data)) as opened:
            np.testing.assert_array_equal(np.asarray(pictures.stored_pixels(opened)), expected)


def test_pixels_can_be_had_in_threads_and_warnings_are_left_alone(ramp):
    exif = Image.Exif()
    exif[0x0112] = 3
    files = [encode(ramp, "JPEG", exif=exif), encode(ramp, "PNG"), b"no picture"] * 20
    before = list(warnings.filters)

    def one(data):
        try:
            return np.asarray(pictures.stored_pixels(data)).tobytes()
        except pictures.BadPicture as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, files)) == [one(data) for data in files[:3]] * 20
    assert warnings.filters == before


def test_a_file_is_read_or_refused(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"abc")
    assert pictures.read(tmp_path / "a.png") == b"abc"
    os.mkfifo(tmp_path / "pipe.png")
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.png", "device or pipe"),
        (tmp_path / "gone.png", "no such file"),
        ("a\0b", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(pictures.BadPicture, match=reason):
            pictures.read(path)
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 2)
    with pytest.raises(pictures.BadPicture, match="expected at most 2"):
        pictures.read(tmp_path / "a.png")


def test_a_file_too_large_is_refused_unread(monkeypatch, ramp):
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 100)
    with pytest.raises(pictures.BadPicture, match="expected at most 100"):
        pictures.to_rgb(encode(ramp, "PNG"))


def test_floating_point_pixels_are_refused():
    with pytest.raises(pictures.BadPicture, match="floating-point"):
        pictures.to_rgb(encode(Image.new("F", (4, 4), 3.0), "TIFF"))


def test_equal_pixels_have_equal_content_whatever_the_file(ramp):
    grey = ramp.convert("L")
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    files = [
        encode(grey, "PNG"),
        encode(grey, "BMP"),
        encode(grey.convert("RGB"), "PNG", exif=exif),
        encode(grey.transpose(Image.Transpose.ROTATE_180), "PNG", exif=_turned_by_180()),
    ]
    contents = {pictures.decode(data).content for data in files}
    assert len(contents) == 1 and len(contents.pop()) == 32
    jpeg = encode(ramp, "JPEG")
    assert pictures.decode(jpeg).content == pictures.decode(encode(ramp, "JPEG", exif=exif)).content
    assert pictures.decode(jpeg).content != pictures.decode(files[0]).content
    # The same bytes with another shape are a different picture.
    assert pictures.content_hash(Image.new("RGB", (4, 6))) != pictures.content_hash(Image.new("RGB", (6, 4)))


def _turned_by_180():
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif


@pytest.mark.parametrize("make", [hostile_pictures.comments_of_a_gif, hostile_pictures.runs_of_a_bmp])
def test_a_file_that_takes_too_long_is_refused_and_the_next_one_read(ramp, monkeypatch, make):
    monkeypatch.setattr(pictures, "SECONDS", 0.3)
    with pytest.raises(pictures.BadPicture, match=r"is not decoded: it takes more than 0\.3 s of processor time"):
        pictures.decode(make())
    monkeypatch.undo()
    assert pictures.stored_pixels(encode(ramp, "PNG")).tobytes() == ramp.tobytes()


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not keep limits on memory")
def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(limited, "MEMORY", 200 << 20)
    with pytest.raises(pictures.BadPicture, match="is not decoded: it needs more than 200 MB of memory"):
        pictures.stored_pixels(hostile_pictures.tags_at_one_place(2000, 200_000))


def test_large_pictures_are_composed_in_parts(ramp):
    large = ramp.resize((2000, 1500)).convert("RGBA")
    large.putalpha(Image.linear_gradient("L").resize(large.size))
    white = Image.new("RGBA", large.size, "white")
    expected = Image.alpha_composite(white, large).convert("RGB")
    data = encode(large, "PNG", compress_level=1)
    with pictures.decoded(data) as picture:
        assert picture.tobytes() == expected.tobytes()
    assert pictures.decode(data).content == pictures.content_hash(expected)
    assert pictures.content_hash(expected) == hashlib.sha256(b"2000x1500" + expected.tobytes()).hexdigest()[:32]
