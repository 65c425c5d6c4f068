import os

import pytest

from lena_jax.runtime.files import open_plain


class Refused(ValueError):
    pass


def test_a_plain_file_is_opened_up_to_its_size(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    with open_plain(tmp_path / "a", 5, Refused) as file:
        assert file.read() == b"12345"
    with pytest.raises(Refused, match="file too large: got 5 bytes, expected at most 4"):
        open_plain(tmp_path / "a", 4, Refused)


def test_what_is_no_plain_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "device or pipe"),
        (tmp_path / "none", "no such file"),
        (tmp_path / ("x" * 300), "cannot be read"),
        ("a\0b", "cannot be read"),
        ("a\udce4\ud800", "cannot be read"),
    ):
        with pytest.raises(Refused, match=reason):
            open_plain(path, 100, Refused)
