"""JPEGs that end properly and lack pixels are refused by how much is there, in every layout; whole ones are read."""

import glob
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lena_jax.data import missing_jpeg, picture_decoding, picture_files

PHOTOGRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "data"
LAYOUTS = {
    "smoothed colours": {},
    "all colours": {"subsampling": "4:4:4"},
    "starts again in each row": {"restart_marker_rows": 1},
    "starts again after five units": {"restart_marker_blocks": 5},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
}


def scene(seed=0, size=(320, 240)):
    """A picture with detail everywhere."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray((np.asarray(rough) // 2 + rng.integers(0, 90, (size[1], size[0], 3))).astype(np.uint8))


def encode(picture, mode="RGB", **options):
    buffer = io.BytesIO()
    picture.convert(mode).save(buffer, "JPEG", quality=85, **options)
    return buffer.getvalue()


def cut(data, share):
    """Keep a share of the coded pixels, and end the file properly."""
    start = data.index(b"\xff\xda")
    return data[: start + 14 + int((len(data) - start - 16) * share)] + b"\xff\xd9"


def share_there(data):
    file = picture_files.take_apart(data)
    with Image.open(io.BytesIO(file.data)) as picture:
        picture.load()
        return missing_jpeg.share_there(file, picture, 0.95)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_the_share_that_is_there_is_found(layout, share):
    data = encode(scene(), **LAYOUTS[layout])
    assert share_there(data) == 1
    # All rows of this picture take about as many bytes.
    assert share_there(cut(data, share)) == pytest.approx(share, abs=0.05)
    with pytest.raises(picture_decoding.BadPicture, match=r"is incomplete: about \d+ % of the picture is there"):
        picture_decoding.upright_pixels(cut(data, share))


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"mode": "L"}])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_a_progressive_jpeg_needs_all_its_scans(options, share):
    data = encode(scene(), progressive=True, **options)
    assert share_there(data) == 1 and share_there(cut(data, share)) < 0.95


def test_the_first_scan_of_a_progressive_jpeg_may_be_short_although_the_others_are_there():
    data = encode(scene(), progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", start)
    assert share_there(data[: start + (end - start) // 2] + data[end:]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("size", [(8, 8), (17, 9), (80, 80), (33, 400), (400, 33)])
def test_small_and_narrow_pictures(size):
    data = encode(scene(1, size))
    assert share_there(data) == 1
    assert share_there(cut(data, 0)) < 0.3


@pytest.mark.parametrize("colour", ["black", "white", "#808080", "red"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"subsampling": "4:4:4"}])
def test_plain_areas_are_no_reason_to_refuse(colour, options):
    picture = scene(2)
    picture.paste(colour, (0, 30, 320, 240))
    for one in (picture, picture.transpose(Image.Transpose.ROTATE_90), Image.new("RGB", (100, 75), colour)):
        assert share_there(encode(one, **options)) == 1


def test_rows_of_zeros_among_coded_pixels_are_missing():
    data = bytearray(encode(scene()))
    middle = len(data) // 2
    data[middle : middle + len(data) // 5] = bytes(len(data) // 5)
    with pytest.raises(picture_decoding.BadPicture, match="about 80 % of the picture is there"):
        picture_decoding.upright_pixels(bytes(data))


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs photographs that are not part of the project")
def test_real_photographs_are_whole():
    paths = sorted(glob.glob(str(PHOTOGRAPHS / "**" / "*.jpg"), recursive=True))[:800]
    assert paths and [path for path in paths if share_there(Path(path).read_bytes()) < 1] == []
