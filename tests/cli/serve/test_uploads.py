import dataclasses
import os
import stat

import pytest

from lena_jax.cli.serve import uploads as uploads_module
from lena_jax.cli.serve.limits import Limits
from lena_jax.cli.serve.uploads import Uploads


@pytest.fixture
def uploads():
    with Uploads() as folder:
        yield folder


def put(uploads, name, content=b"abc"):
    path = os.path.join(uploads.folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    uploads.keep(uploads.arrive(), [path])
    return path


def test_the_folder_is_private_and_goes(uploads):
    with Uploads() as other:
        put(other, "a/b.png")
        assert stat.S_IMODE(os.stat(other.folder).st_mode) == 0o700
        assert other.folder != uploads.folder
    assert not os.path.exists(other.folder)


@pytest.mark.parametrize(
    "given, shown",
    [
        ("a.png", "a.png"),
        ("../../a.png", "a.png"),
        ("C:\\b\\a.png", "a.png"),
        ("<b>.png", "<b>.png"),
        (None, "x.png"),
        (3, "x.png"),
        ("a\x1b[31m\u202e.png", "a\\x1b[31m\\u202e.png"),
        ("a" * 500, "a" * 120),
        ("", "x.png"),
    ],
)
def test_names_are_shown_without_folders_and_steering(uploads, given, shown):
    path = put(uploads, "ab/x.png")
    assert uploads.named([{"path": path, "orig_name": given}]) == [(path, shown)]


@pytest.mark.parametrize(
    "payload",
    [None, {}, "a", [3], [{}], [{"path": "/etc/passwd"}], [{"path": 3}], [{"path": "http://example.com/a.png"}]],
)
def test_what_was_not_uploaded_is_refused(uploads, payload):
    with pytest.raises(ValueError, match="expected"):
        uploads.named(payload)


def test_files_are_deleted_with_their_folders(uploads):
    one, two, three = put(uploads, "ab/x.png"), put(uploads, "ab/y.png"), put(uploads, "cd/x.png", b"12345")
    assert uploads.size() == 11
    uploads.delete([one])
    assert sorted(os.listdir(uploads.folder)) == ["ab", "cd"]
    uploads.delete([one, two])
    assert os.listdir(uploads.folder) == ["cd"]
    assert uploads.size() == 5 and uploads.count() == 1
    uploads.name([three], "session")
    uploads.make_room()
    uploads.sweep(60)
    assert os.path.exists(three)
    uploads.sweep(0)
    assert os.listdir(uploads.folder) == [] and uploads.size() == 0


def test_what_a_broken_upload_leaves_is_swept_away_and_others_stay(uploads):
    kept = put(uploads, "ab/x.png")
    broken, under_way = uploads.arrive(), uploads.arrive()
    broken.bytes, under_way.bytes = 7, 5
    with open(os.path.join(uploads.folder, "tmp1"), "wb") as file:
        file.write(b"1234567")
    os.utime(file.name, (under_way.since - 9, under_way.since - 9))
    with open(os.path.join(uploads.folder, "tmp2"), "wb") as file:
        file.write(b"12345")
    uploads.keep(broken, None)
    assert uploads.size() == 3 + 7 + 5
    uploads.sweep(3600)
    assert sorted(os.listdir(uploads.folder)) == ["ab", "tmp2"]
    uploads.keep(under_way, None)
    uploads.sweep(3600)
    assert os.listdir(uploads.folder) == ["ab"] and os.path.exists(kept) and uploads.size() == 3


def test_a_named_file_is_kept_while_its_visitor_listens(uploads, monkeypatch):
    monkeypatch.setattr(uploads_module, "UNHEARD", 0)
    mine, other = put(uploads, "ab/x.png"), put(uploads, "cd/y.png")
    uploads.name([mine], "mine")
    uploads.name([other], "other")
    with uploads.listening("mine"), uploads.listening("mine"):
        uploads.sweep(60)
        assert os.path.exists(mine) and not os.path.exists(other)
    uploads.sweep(60)
    assert os.listdir(uploads.folder) == [] and not uploads._listening


def test_equal_files_at_one_time_count_once(uploads):
    for _ in range(2):
        put(uploads, "ab/x.png")
    assert uploads.size() == 3
    uploads.delete([put(uploads, "ab/x.png")])
    assert uploads.size() == uploads.count() == 0


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_limits_are_positive(name):
    assert getattr(Limits(**{name: 1}), name) == 1
    with pytest.raises(ValueError, match=f"got --{name}=0, expected at least 1"):
        Limits(**{name: 0})
