"""Colours are brought to sRGB, and samples of any width to 8 bits or refused: compared with colour science in float."""

import io
import struct
import zlib

import numpy as np
import pytest
from colour_profiles import P3, SRGB, grey_profile, rgb_profile
from PIL import Image, ImageCms, TiffImagePlugin

from lena_jax.data import pictures

TO_XYZ = {
    P3: np.array([[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0, 0.0451, 1.0439]]),
    SRGB: np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]),
}


def srgb_of(stored, primaries=P3, gamma=2.2):
    """Convert numbers [..., 3] in [0, 255] of a wide profile to sRGB, in float: an independent oracle."""
    light = (np.asarray(stored) / 255) ** gamma @ TO_XYZ[primaries].T @ np.linalg.inv(TO_XYZ[SRGB]).T
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def encode(image, encoding, **options):
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def pixels_of(data):
    stored = np.asarray(Image.open(io.BytesIO(pictures.decode(data).data)).convert("RGB"), float)
    np.testing.assert_array_equal(np.asarray(pictures.stored_pixels(data)), stored)
    return stored


@pytest.fixture
def colours():
    """Squares of muted colours [32, 48, 3]: all of them are inside sRGB, also when they are read as Display P3."""
    cells = np.random.default_rng(0).integers(70, 170, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(cells.repeat(8, 0).repeat(8, 1))


@pytest.mark.parametrize(
    "encoding, options, off",
    [
        ("PNG", {}, 0.5),
        ("TIFF", {}, 0.5),
        ("WEBP", {"lossless": True}, 0.5),
        ("JPEG", {"quality": 97, "subsampling": 0}, 2),
        ("HEIF", {"quality": 97}, 3),
        ("AVIF", {"quality": 97, "subsampling": "4:4:4"}, 3),
    ],
)
def test_a_wide_profile_is_brought_to_srgb(colours, encoding, options, off):
    data = encode(colours, encoding, icc_profile=rgb_profile(), **options)
    assert np.abs(pixels_of(data) - srgb_of(colours)).mean() <= off
    # Far from what the numbers themselves would be.
    assert np.abs(np.asarray(colours, float) - srgb_of(colours)).mean() > 4
    assert not pictures.decode(data).profile_ignored


def test_palette_and_transparency_are_converted_too(colours):
    expected = srgb_of(colours)
    palette = encode(colours.quantize(24, dither=Image.Dither.NONE), "PNG", icc_profile=rgb_profile())
    assert np.abs(pixels_of(palette) - expected).max() <= 3
    clear = colours.convert("RGBA")
    clear.putalpha(Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), [24, 24], 1).repeat(32, 0)))
    found = pixels_of(encode(clear, "PNG", icc_profile=rgb_profile()))
    assert np.all(found[:, :24] == 255) and np.abs(found[:, 24:] - expected[:, 24:]).max() <= 1


def test_grey_has_profiles_of_its_own():
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(4, 0))
    found = pixels_of(encode(ramp, "PNG", icc_profile=grey_profile(1.75)))
    light = (np.arange(256) / 255) ** 1.75
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(found[0, :, 0] - expected).max() <= 3 and np.all(found == found[..., :1])


def test_srgb_changes_nothing(colours):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert pictures.to_rgb(encode(colours, "JPEG", icc_profile=srgb)) == encode(colours, "JPEG")


@pytest.mark.parametrize(
    "profile", [b"no profile", rgb_profile()[:200], rgb_profile()[:140] + bytes(400), grey_profile(), bytes(3 << 20)]
)
@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "TIFF"])
def test_a_profile_that_does_not_fit_is_ignored_and_reported(colours, encoding, profile):
    picture = pictures.decode(encode(colours, encoding, icc_profile=profile))
    plain = pictures.decode(encode(colours, encoding))
    assert picture.content == plain.content
    assert picture.profile_ignored and not plain.profile_ignored
    assert pictures.stored_pixels(encode(colours, encoding, icc_profile=profile)).info["profile_ignored"]


def test_an_opened_picture_is_converted_and_left_as_it_is(colours):
    with Image.open(io.BytesIO(encode(colours, "PNG", icc_profile=rgb_profile()))) as opened:
        found = np.asarray(pictures.stored_pixels(opened))
        assert np.abs(found - srgb_of(colours)).max() <= 1
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(colours))


RAMP = np.linspace(0, 1, 256)[None].repeat(4, 0)


def tiff(values, **tags):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[int(tag[1:])] = value
    return encode(Image.fromarray(values), "TIFF", tiffinfo=directory)


@pytest.mark.parametrize(
    "data",
    [
        tiff((RAMP * 65535).astype(np.uint16)),
        tiff((RAMP * 65535).astype(">u2")),
        tiff((RAMP * 4095).astype(np.uint16), t281=4095),
        tiff((100 + RAMP * 3000).astype(np.uint16), t340=100, t341=3100),
        tiff((RAMP * 4095).astype(np.uint16), t270="ImageJ=1.53\nmin=0.0\nmax=4095.0\n"),
        tiff((RAMP * 70000).astype(np.int32), t340=0, t341=70000),
        tiff(RAMP.astype(np.float32)),
        tiff((RAMP * 7 - 3).astype(np.float32), t340=-3.0, t341=4.0),
        b"P5 256 4 4095\n" + (RAMP * 4095).round().astype(">u2").tobytes(),
    ],
)
def test_a_ramp_is_a_ramp_whatever_its_samples(data):
    assert np.abs(pixels_of(data)[..., 0] - RAMP * 255).max() <= 1


@pytest.mark.parametrize(
    "values, reason",
    [
        ((RAMP * 4095).astype(np.uint16), "nearly black: its largest number is about 4,095"),
        ((RAMP * 255).astype(np.int32), "no defined white"),
        ((RAMP * 255).astype(np.float32), "floating-point .* got 0 to 255"),
        (np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32), "no number"),
        (-RAMP.astype(np.float32), "floating-point"),
    ],
)
def test_pixels_without_a_white_are_refused(values, reason):
    with pytest.raises(pictures.BadPicture, match=reason):
        pictures.decode(tiff(values))


def test_black_of_16_bits_is_black():
    assert pixels_of(encode(Image.fromarray(np.zeros((3, 3), np.uint16)), "PNG")).max() == 0


def png_with_code(image, *code):
    data = encode(image, "PNG")
    content = bytes([*code, 0, 1])
    return (
        data[:33]
        + struct.pack(">I", 4)
        + b"cICP"
        + content
        + struct.pack(">I", zlib.crc32(b"cICP" + content))
        + data[33:]
    )


def test_primaries_that_a_file_states_by_number_are_honoured(colours):
    light = (np.asarray(colours) / 255.0 + 0.055) / 1.055
    wide = light**2.4 @ TO_XYZ[P3].T @ np.linalg.inv(TO_XYZ[SRGB]).T
    expected = 255 * (1.055 * np.clip(wide, 0, 1) ** (1 / 2.4) - 0.055)
    assert np.abs(pixels_of(png_with_code(colours, 12, 13)) - expected).max() <= 1
    np.testing.assert_array_equal(pixels_of(png_with_code(colours, 1, 13)), np.asarray(colours))


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_pictures_are_refused(colours, transfer):
    with pytest.raises(pictures.BadPicture, match="is an HDR picture .*: convert it to SDR"):
        pictures.decode(png_with_code(colours, 9, transfer))
