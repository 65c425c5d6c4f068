"""Which file a table's text means, compared with a slow search; and that a file is never guessed, or outside."""

import pathlib
import unicodedata

import numpy as np
import pytest

from data_prep.picture_names import PictureNames, said

FILES = ("IMG_1.jpg", "b/IMG_2.JPG", "b/Müller.png", "c/IMG_3.HEIC", "d/one.jpg", "e/one.jpg", "f/v1.2.webp", "m.MOV")


@pytest.fixture
def names(tmp_path):
    for name in FILES:
        place = tmp_path / "photos" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    (tmp_path / "outside.jpg").write_bytes(b"x")
    return PictureNames(tmp_path / "photos")


@pytest.mark.parametrize(
    "text, name",
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("img_1.JPG", "IMG_1.jpg"),
        ("IMG_1", "IMG_1.jpg"),
        (" IMG_1.jpeg ", "IMG_1.jpg"),
        ("IMG_2.jpg", "b/IMG_2.JPG"),
        (r"C:\Users\me\Photos\IMG_3.heic", "c/IMG_3.HEIC"),
        ("/home/me/b/img_2", "b/IMG_2.JPG"),
        ("../photos/IMG_1.jpg", "IMG_1.jpg"),
        ("https://example.org/p/M%C3%BCller.png?size=large", "b/Müller.png"),
        (unicodedata.normalize("NFD", "MÜLLER"), "b/Müller.png"),
        (r"D:\e\ONE.jpg", "e/one.jpg"),
        ("v1.2", "f/v1.2.webp"),
        ("m.mov", "m.MOV"),
        ("one.jpg", None),  # Two files.
        ("IMG_1.mov", None),  # A film beside a photo is another thing.
        ("../outside.jpg", None),
        ("IMG_11.jpg", None),
        ("", None),
        ("..", None),
        ("http://[", None),
        ("a\0b", None),
        ("x" * 5000, None),
    ],
)
def test_the_file_that_a_text_means(names, text, name):
    assert names.find(text) == name


def test_a_hint_names_the_files_that_could_be_meant(names):
    assert names.explained("one.jpg", "no such file") == "no such file; could be d/one.jpg, e/one.jpg"
    assert names.explained("IGM_1.jpg", "no such file").endswith("did you mean 'IMG_1.jpg'?")
    assert names.explained("Mueller.png", "no such file").endswith("did you mean 'b/Müller.png'?")
    assert names.explained("Total", "no such file") == "no such file"
    assert names.explained("IMG_1.jpg", "cannot be read") == "cannot be read"


def test_which_pictures_no_row_names(names):
    assert names.without(["IMG_1.jpg", "b/IMG_2.JPG", "d/one.jpg", "e/one.jpg"]) == [
        "b/Müller.png",
        "c/IMG_3.HEIC",
        "f/v1.2.webp",
    ]


def test_any_spelling_of_a_unique_name_means_its_file(tmp_path):
    """A property: for random files, each text made from a path means that path, or nothing where two share it."""
    rng = np.random.default_rng(0)
    files = {f"{rng.integers(3)}/{rng.integers(3)}/N{rng.integers(60)}.{'jpg png'.split()[k % 2]}" for k in range(60)}
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    known = PictureNames(tmp_path)
    for name in files:
        path = pathlib.PurePosixPath(name)
        named = [one for one in files if pathlib.PurePosixPath(one).name == path.name]
        stems = [one for one in files if pathlib.PurePosixPath(one).stem == path.stem]
        assert known.find("X:\\all\\" + name.upper().replace("/", "\\")) == name
        assert known.find(path.name.lower()) == (name if len(named) == 1 else None)
        assert known.find(path.stem) == (name if len(stems) == 1 else None)


def test_what_was_changed_is_said_in_one_line():
    assert said({}) == []
    assert said({"A": "a.jpg", "B": "b.jpg"}) == [
        "names found in another spelling or folder: 2, such as 'A' as 'a.jpg'"
    ]
