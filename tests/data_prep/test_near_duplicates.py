"""Nearly equal pictures are found among different ones, and stay together."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageOps

from data_prep import near_duplicates
from lena_jax.data.transforms import small_grey

PHOTOS = [Image.fromarray(getattr(skimage.data, name)()).convert("RGB") for name in ("coffee", "astronaut", "cat")]


def compressed(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    with Image.open(file) as again:
        return again.convert("RGB")


def marked(picture):
    picture = picture.copy()
    width, height = picture.size
    ImageDraw.Draw(picture).rectangle((0.75 * width, 0.9 * height, width, 0.96 * height), fill="white")
    return picture


def cropped(picture):
    width, height = picture.size
    return picture.crop((round(0.02 * width), round(0.01 * height), round(0.98 * width), round(0.97 * height)))


CHANGES = {
    "resized": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "compressed": compressed,
    "cropped": cropped,
    "framed": lambda picture: ImageOps.expand(picture, picture.width // 20, "white"),
    "marked": marked,
    "grey": lambda picture: picture.convert("L").convert("RGB"),
}


def seen(pictures):
    found = near_duplicates.NearDuplicates()
    for number, picture in enumerate(pictures):
        found.add(str(number), small_grey(picture, near_duplicates.SIDE))
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_other_pictures_are_not(change):
    copies = [CHANGES[change](picture) for picture in PHOTOS]
    found = seen([*PHOTOS, *copies])
    assert sorted(found.pairs()) == [(str(number), str(number + 3)) for number in range(3)]
    for number, copy in enumerate(copies):
        assert seen(PHOTOS).like(small_grey(copy, near_duplicates.SIDE)) == [str(number)]


def test_plain_pictures_look_like_nothing():
    assert list(seen([Image.new("RGB", (40, 40), colour) for colour in ("red", "blue", "white")]).pairs()) == []


def test_distances_are_bits_that_differ():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 5, 4, 18), dtype=np.uint8)
    bits = np.unpackbits(first, axis=-1), np.unpackbits(second, axis=-1)
    expected = [
        [min((a[i] != b[j]).sum() for i in range(4) for j in range(4) if min(i, j) < 2) for b in bits[1]]
        for a in bits[0]
    ]
    np.testing.assert_array_equal(near_duplicates.distances(first, second), expected)


def test_sets_are_what_pairs_connect():
    assert near_duplicates.sets_of([("a", "b"), ("c", "d"), ("b", "d"), ("x", "y")]) == [
        ["a", "b", "c", "d"],
        ["x", "y"],
    ]


def test_too_many_are_not_compared(monkeypatch):
    monkeypatch.setattr(near_duplicates, "MOST", 1)
    found = seen(PHOTOS)
    assert found.full and not list(found.pairs())
