"""Paths from a table: those inside the folder are read, and those that leave it are refused by name."""

import os
import unicodedata

import pytest

from data_prep import picture_folder
from lena_jax.data import pictures
from lena_jax.data.pictures import BadPicture


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return root


@pytest.mark.parametrize("name", ["deep/a.jpg", "./deep//a.jpg"])
def test_reads_inside(root, name):
    assert picture_folder.read(root, name) == b"inside"
    assert picture_folder.check_name(name) == "deep/a.jpg"


def test_a_link_that_stays_inside_is_followed(root):
    (root / "link.jpg").symlink_to(root / "deep" / "a.jpg")
    assert picture_folder.read(root, "link.jpg") == b"inside"


def test_the_folder_itself_may_be_a_link(root, tmp_path):
    (tmp_path / "alias").symlink_to(root)
    assert picture_folder.read(tmp_path / "alias", "deep/a.jpg") == b"inside"


@pytest.mark.parametrize("name", ["../outside.jpg", "deep/../../outside.jpg", "..", "deep\\..\\..\\outside.jpg"])
def test_dots_that_lead_out_are_refused(root, name):
    with pytest.raises(ValueError, match="leaves the folder") as caught:
        picture_folder.read(root, name)
    assert repr(name) in str(caught.value) and not isinstance(caught.value, BadPicture)


@pytest.mark.parametrize("name", ["/etc/hostname", "C:\\a.jpg", "C:a.jpg", "\\\\server\\share\\a.jpg"])
def test_absolute_paths_are_refused(root, name):
    with pytest.raises(ValueError, match="absolute"):
        picture_folder.read(root, name)


@pytest.mark.parametrize("name", ["", ".", "a\0.jpg"])
def test_what_is_no_path_is_refused(root, name):
    with pytest.raises(ValueError, match="expected the path of a file"):
        picture_folder.check_name(name)


@pytest.mark.parametrize("target", ["../outside.jpg", "/etc/hostname"])
def test_a_link_that_leads_out_is_refused(root, target):
    (root / "link.jpg").symlink_to(target)
    with pytest.raises(ValueError, match="symbolic link") as caught:
        picture_folder.read(root, "link.jpg")
    assert not isinstance(caught.value, BadPicture)


def test_a_linked_folder_that_leads_out_is_refused(root, tmp_path):
    (root / "up").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="symbolic link"):
        picture_folder.read(root, "up/outside.jpg")


def test_missing_folders_pipes_and_loops_are_bad_pictures(root):
    os.mkfifo(root / "pipe.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    for name in ("gone.jpg", "deep", "pipe.jpg", "loop.jpg", "x" * 300 + ".jpg"):
        with pytest.raises(BadPicture):
            picture_folder.read(root, name)


def test_a_file_too_large_is_not_read(root, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 3)
    with pytest.raises(BadPicture, match="got 6 bytes, expected at most 3"):
        picture_folder.read(root, "deep/a.jpg")


def test_links_that_lead_out_are_followed_if_asked(root):
    (root / "link.jpg").symlink_to("../outside.jpg")
    (root / "gone.jpg").symlink_to("../gone.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    assert picture_folder.read(root, "link.jpg", follow_links=True) == b"outside"
    with pytest.raises(ValueError, match="--follow_links"):
        picture_folder.read(root, "link.jpg")
    with pytest.raises(BadPicture, match="a link to a file that is not there"):
        picture_folder.read(root, "gone.jpg", follow_links=True)
    with pytest.raises(BadPicture):
        picture_folder.read(root, "loop.jpg", follow_links=True)
    with pytest.raises(ValueError, match="leaves the folder"):
        picture_folder.read(root, "../outside.jpg", follow_links=True)


@pytest.mark.parametrize("there, asked", [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_can_be_a_sign_of_its_own(root, there, asked):
    name = "d\u00e9j\u00e0/caf\u00e9.jpg"
    path = root / unicodedata.normalize(there, name)
    path.parent.mkdir()
    path.write_bytes(b"here")
    assert picture_folder.read(root, unicodedata.normalize(asked, name)) == b"here"
    # Where both spellings are there, they are two files.
    (path.parent / unicodedata.normalize(asked, "caf\u00e9.jpg")).write_bytes(b"other")
    assert picture_folder.read(root, str(path.relative_to(root))) == b"here"


def test_a_windows_path_is_read_and_a_near_name_is_named(root):
    assert picture_folder.read(root, "deep\\a.jpg") == b"inside"
    for name in ("deep/A.JPG", "deep/a.png", "deep/A.jpeg"):
        with pytest.raises(BadPicture, match="no such file, but there is 'deep/a.jpg'"):
            picture_folder.read(root, name)
    with pytest.raises(BadPicture, match="no such file$"):
        picture_folder.read(root, "deep/other.jpg")
