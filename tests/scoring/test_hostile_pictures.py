"""Damaged and hostile files: each is scored as the dataset builder would store it, or listed with a reason."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from scored_run import KINDS, animated, encode, grey16, rotated, scene, transparent

from lena_jax.data import pictures

SMALL = [kind for kind in KINDS if kind != "large"]


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def huge_png(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def huge_jpeg(width, height):
    data = bytearray(encode(scene(1), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def mutated(seed):
    """A damaged file: truncated, with bytes changed, zeroed, repeated or inserted, or two files in one."""
    rng = np.random.default_rng(seed)
    make = KINDS[SMALL[seed % len(SMALL)]][1]
    data = bytearray(make(seed))
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
    match seed // len(SMALL) % 6:
        case 0:
            del data[at:]
        case 1:
            for place in rng.integers(len(data), size=length // 4 + 1):
                data[place] = rng.integers(256)
        case 2:
            data[at : at + length] = bytes(length)
        case 3:
            # The header, where sizes and types are.
            data[rng.integers(min(len(data), 60))] = rng.integers(256)
        case 4:
            data[at:at] = rng.bytes(length)
        case 5:
            data[at:] = KINDS[SMALL[rng.integers(len(SMALL))]][1](seed + 1)
    return bytes(data)


def expected(data):
    """What the builder stores for a file, decoded, or None if it refuses the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of what is wrong besides the pixels.
            with Image.open(io.BytesIO(pictures.decode(data).data)) as stored:
                return np.asarray(stored)
    except pictures.BadPicture:
        return None


def check(scorer, files):
    """Scores files and compares each result with the expected one; returns the numbers of scored and refused files."""
    results, known = list(scorer.score(files)), [expected(data) for data in files]
    right = iter(list(scorer.score([array for array in known if array is not None])))
    for number, (one, array) in enumerate(zip(results, known, strict=True)):
        assert one.name == f"#{number}"
        if array is None:
            assert one.score is None and one.error and " at 0x" not in one.error
        else:
            assert one.error is None and one.score == pytest.approx(next(right).score, abs=1e-5)
    refused = sum(array is None for array in known)
    return len(files) - refused, refused


def test_hundreds_of_damaged_files(scorer):
    # Each kind of file, damaged in each of six ways, six times. `python tests/mutations.py` does thousands.
    count = 6 * 6 * len(SMALL)
    scored, refused = check(scorer, [mutated(seed) for seed in range(count)])
    assert scored + refused == count and scored > count // 4 and refused > count // 4, (scored, refused)


def test_whole_files_of_every_kind_are_scored(scorer):
    assert check(scorer, [KINDS[kind][1](seed) for seed, kind in enumerate(KINDS)]) == (len(KINDS), 0)


def test_what_only_looks_like_a_picture(scorer, tmp_path):
    jpeg, png = encode(scene(1), "JPEG"), encode(scene(1), "PNG")
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"dear diary",
        "page.png": b"<html></html>",
        "svg.png": b"<svg/>",
        "script.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "zeros.gif": bytes(5000),
        "pdf.png": b"%PDF-1.7\n",
        "wide.png": huge_png(60_000, 60_000),
        "tall.png": huge_png(2, 2_000_000_000),
        "many.png": huge_png(9_500, 9_500),
        "wide.jpg": huge_jpeg(65_000, 65_000),
        "endless.jpg": jpeg[:40],
        "truncated.png": png[:-300],
        "float.tif": encode(Image.new("F", (9, 9), 9.0), "TIFF"),
    }
    wrong_name = {"really_png.jpg": png, "really_jpeg.gif": jpeg, "no_name": png}
    for name, content in {**contents, **wrong_name}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    os.symlink("loop.jpg", tmp_path / "loop.jpg")
    (tmp_path / "to_nothing.jpg").symlink_to("gone.jpg")
    results = {
        os.path.basename(one.name): one for one in scorer.score(sorted(str(path) for path in tmp_path.iterdir()))
    }
    assert len(results) == len(contents) + len(wrong_name) + 3
    alike = [results.pop(name) for name in wrong_name]
    assert all(one.error is None for one in alike) and alike[0].score == alike[2].score
    for name, one in results.items():
        assert one.score is None, name
    for name in ("wide.png", "tall.png", "many.png", "wide.jpg"):
        assert "too many pixels" in results[name].error
    assert "floating-point" in results["float.tif"].error and "is a folder" in results["folder.jpg"].error
    assert "no such file" in results["to_nothing.jpg"].error and "cannot be read" in results["loop.jpg"].error
    assert "does not decode" in results["text.jpg"].error


@pytest.mark.parametrize(
    "kind, by_hand",
    [
        ("sixteen", lambda seed: np.repeat(np.rint(np.asarray(grey16(seed), float) / 257)[..., None], 3, -1)),
        ("alpha", lambda seed: _on_white(transparent(seed))),
        ("palette", lambda seed: np.asarray(scene(seed).quantize(32).convert("RGB"))),
        ("gif", lambda seed: _first_frame(animated(seed, "GIF"))),
        ("apng", lambda seed: np.asarray(scene(seed))),
        ("grey_png", lambda seed: np.repeat(np.asarray(scene(seed).convert("L"))[..., None], 3, -1)),
    ],
)
def test_modes_are_what_they_mean(scorer, kind, by_hand):
    data = encode(scene(7).convert("L"), "PNG") if kind == "grey_png" else KINDS[kind][1](7)
    one, other = scorer.score([data, by_hand(7).astype(np.uint8)])
    # Rounding to 8 bits differs by one level at most.
    assert one.score == pytest.approx(other.score, abs=2e-2 if kind in ("sixteen", "alpha") else 1e-5)


def _on_white(picture):
    values = np.asarray(picture, float)
    share = values[..., 3:] / 255
    return np.rint(values[..., :3] * share + 255 * (1 - share))


def _first_frame(data):
    with Image.open(io.BytesIO(data)) as picture:
        picture.seek(0)
        return np.asarray(picture.convert("RGB"))


def test_damaged_metadata_does_not_matter(scorer):
    exif = bytearray(rotated(1).tobytes())
    exif[-6:] = b"\xff" * 6
    data = encode(scene(3), "JPEG", exif=bytes(exif))
    plain = encode(scene(3), "JPEG")
    one, other = scorer.score([data, plain])
    assert one.error is None and one.score == pytest.approx(other.score, abs=1e-5)


def test_a_decoder_that_fails_in_its_own_way_is_a_reason(scorer, monkeypatch):
    def fail(self):
        raise AttributeError("inner workings")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with Image.open(io.BytesIO(encode(scene(1), "PNG"))) as opened:
        (one,) = scorer.score(opened)
    assert one.error == "does not decode: inner workings"


def test_too_little_memory_is_a_reason(scorer, monkeypatch):
    monkeypatch.setattr(pictures, "decoded", lambda data: (_ for _ in ()).throw(MemoryError()))
    (one,) = scorer.score(b"anything")
    assert one.error == "too large for the available memory"
