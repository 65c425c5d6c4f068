"""Bring a decoded picture to 8 bits and sRGB: whatever its samples are, and whatever colour profile it has."""

import functools
import io
import math
import re

import numpy as np
from PIL import Image, ImageCms

# A profile whose sRGB differs from the numbers themselves by no more than this is sRGB.
_SAME = 2
# Modes of Pillow with more than 8 bits.
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
# Of 65,535: pixels that never get brighter were not stored with 16 bits of range.
_DARK = 4095
_ROWS = 256
_HDR = {16: "PQ", 18: "HLG"}
# From light of BT.2020 and of Display P3 to light of sRGB.
_TO_SRGB = {
    9: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32),
    12: np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], np.float32),
}
# Tags of a TIFF.
_PHOTOMETRIC, _DESCRIPTION, _MIN, _MAX, _FORMAT, _SMIN, _SMAX = 262, 270, 280, 281, 339, 340, 341


class Undefined(ValueError):
    """The pixels have no defined white. The message says why and what to do."""


def to_8_bits(picture: Image.Image, deep: bool = False) -> Image.Image:
    """Turn samples of more than 8 bits into 8.

    16 bits without a sign have 65,535 as white. Other whole numbers need a range that the file declares (tags of a
    TIFF, or ImageJ's display range). Fractions need one, or lie in [0, 1].

    Args:
        picture: a loaded picture.
        deep: whether the decoder has cut samples of 16 bits to 8.

    Raises:
        Undefined: white is unknown, or the picture is nearly black because it uses a small part of its range.
    """
    tags = getattr(picture, "tag_v2", {})
    if picture.mode not in _DEEP:
        most = 0
        if (deep or max(_numbers(tags.get(258)), default=8) == 16) and picture.mode in ("RGB", "RGBA"):
            most = max(high for _, high in picture.convert("RGB").getextrema())
        if 0 < most <= _DARK // 257:
            raise Undefined(_dark(most * 257))
        return picture
    values = np.asarray(picture)
    if picture.mode == "I" and tags and (_numbers(tags.get(_FORMAT)) or [1])[0] == 1:
        values = values.view(np.uint32)
    least, most = float(values.min()), float(values.max())
    declared = _declared(tags)
    if not math.isfinite(least) or not math.isfinite(most):
        raise Undefined("has pixels that are no number: replace them before storing it")
    if declared is None:
        declared = _usual_range(picture, tags, least, most)
    low, high = declared
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):
        share = (values[start : start + _ROWS].astype(np.float64) - low) / (high - low)
        result[start : start + _ROWS] = np.rint(np.clip(share, 0, 1) * 255)
    # Pillow inverts white and black where it should, but not in these modes.
    return Image.fromarray(255 - result if tags.get(_PHOTOMETRIC) == 0 else result)


def to_srgb(picture: Image.Image, profile: bytes, code: tuple[int, int] | None = None) -> tuple[Image.Image, bool]:
    """Convert a picture of 8 bits to sRGB through its ICC profile.

    Colours are converted by relative colorimetry with black point compensation.

    Args:
        picture: in a mode of RGB, grey or CMYK, with or without transparency, or LAB.
        profile: its profile; empty for none.
        code: primaries and transfer of its colours as numbers of ITU-T H.273, for a picture without a profile; None
            for those of sRGB.

    Returns:
        The picture, in RGB, RGBA or as it was, and whether the profile could not be used: it is damaged, or of
        another kind of colours than the picture. The numbers are then left as they are.

    Raises:
        Undefined: the code is that of HDR.
    """
    if picture.mode == "LAB":
        return ImageCms.applyTransform(picture, _lab()), False
    if not profile and code is not None:
        return _from_code(picture, *code), False
    if not profile:
        return picture, False
    if picture.mode in ("P", "PA", "RGBX", "RGBa", "1", "YCbCr", "HSV"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "L" if picture.mode == "1" else "RGB")
    mode = {"LA": "L", "La": "L"}.get(picture.mode, picture.mode)
    transform = _transform(profile, mode)
    if not transform:
        return picture, transform is None
    if picture.mode == mode:
        converted = ImageCms.applyTransform(picture, transform)
        if "transparency" in picture.info:
            # One colour is transparent. It must be so before colours change.
            converted.putalpha(picture.convert("RGBA").getchannel("A"))
        return converted, False
    converted = ImageCms.applyTransform(picture.getchannel("L"), transform)
    converted.putalpha(picture.getchannel("A"))
    return converted, False


def _from_code(picture, primaries, transfer):
    if transfer in _HDR:
        raise Undefined(
            f"is an HDR picture ({_HDR[transfer]}): convert it to SDR, as phones do when they share pictures"
        )
    if primaries not in _TO_SRGB or picture.mode not in ("RGB", "RGBA"):
        return picture
    light = np.arange(256) / 255
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4).astype(np.float32)
    pixels = np.array(picture)
    for start in range(0, len(pixels), _ROWS):
        rows = np.clip(light[pixels[start : start + _ROWS, :, :3]] @ _TO_SRGB[primaries].T, 0, 1)
        rows = np.where(rows <= 0.0031308, 12.92 * rows, 1.055 * rows ** (1 / 2.4) - 0.055)
        pixels[start : start + _ROWS, :, :3] = np.rint(255 * rows)
    return Image.fromarray(pixels)


@functools.lru_cache(maxsize=32)
def _transform(profile, mode):
    """Return the transform to sRGB; False if it would change nothing, None if the profile cannot be used."""
    expected = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}.get(mode)
    result = "RGBA" if mode == "RGBA" else "RGB"
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space.strip() != expected:
            return None
        transform = ImageCms.buildTransform(
            opened,
            _srgb(),
            mode,
            result,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        probe = _probe(mode)
        converted = np.asarray(ImageCms.applyTransform(probe, transform).convert("RGB"), int)
    # A damaged profile gives one of these, by the place of the damage.
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
    # The first colour is white, the second black. Whatever maps them elsewhere is damaged.
    if converted[0, 0].min() < 200 or converted[0, 1].max() > 100:
        return None
    same = mode != "CMYK" and np.abs(converted - np.asarray(probe.convert("RGB"), int)).max() <= _SAME
    return False if same else transform


def _probe(mode):
    """Return a row of colours: white, black, and a lattice of others."""
    if mode == "L":
        return Image.fromarray(np.array([[255, 0, *range(0, 256, 5)]], np.uint8))
    if mode == "CMYK":
        pixels = bytes((0, 0, 0, 0, 255, 255, 255, 255))
        return Image.frombytes("CMYK", (2, 1), pixels)
    steps = np.array([255, 0, 36, 73, 109, 146, 182, 219], np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    colours = np.concatenate([[[255] * 3, [0] * 3], lattice]).astype(np.uint8)
    return Image.fromarray(colours[None]).convert(mode)


@functools.cache
def _srgb():
    return ImageCms.createProfile("sRGB")


@functools.cache
def _lab():
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")


def _declared(tags):
    """Return the range (black, white) that a TIFF declares; None if it declares none."""
    if not tags:
        return None
    for least, most in ((_SMIN, _SMAX), (_MIN, _MAX)):
        low, high = _numbers(tags.get(least)), _numbers(tags.get(most))
        if high and max(high) > (min(low) if low else 0):
            return (min(low) if low else 0.0), max(high)
    text = tags.get(_DESCRIPTION)
    if isinstance(text, str) and text.startswith("ImageJ="):
        shown = dict(re.findall(r"^(min|max)=(-?\d+\.?\d*)$", text[:2000], re.M))
        if len(shown) == 2 and float(shown["max"]) > float(shown["min"]):
            return float(shown["min"]), float(shown["max"])
    return None


def _numbers(value):
    values = value if isinstance(value, (tuple, list)) else [value]
    return [float(one) for one in values if isinstance(one, (int, float)) and math.isfinite(one)]


def _usual_range(picture, tags, least, most):
    if picture.mode == "F":
        if least < 0 or most > 1:
            raise Undefined(
                f"floating-point pixels have no defined white: got {least:g} to {most:g}, expected 0 to 1, or a "
                "picture of 8 or 16 bits"
            )
        return 0, 1
    # Pillow reads a PPM of 16 bits as 32, scaled to 65,535.
    if picture.mode == "I" and (tags or picture.format not in ("PPM", "PNG")):
        raise Undefined(
            "whole numbers of 32 bits, or with a sign, have no defined white, and this file declares none: store the "
            "picture with 8 or 16 bits"
        )
    if 0 < most <= _DARK:
        raise Undefined(_dark(most))
    return 0, 65535


def _dark(most):
    return (
        f"nearly black: its largest number is about {most:,.0f} of 65,535, so its range is not that of 16 bits, and it "
        "declares none: scale it, or store it with 8 bits"
    )
