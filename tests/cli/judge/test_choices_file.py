"""The file of choices: whole lines whatever happens, from several processes at once."""

import csv
import os
import resource
import signal
import subprocess
import sys

import pytest

from data_prep.image_pairs import columns, table
from lena_jax.cli.judge.choices_file import HEADER, ChoicesFile


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_a_choice_is_in_the_file_when_append_returns(tmp_path):
    path = tmp_path / "choices.csv"
    file = ChoicesFile(path)
    assert file.read() == []
    (row,) = file.append('a,"b".jpg', "ü.jpg", "left", "ann", "random")
    assert rows_of(path)[1][:5] == ['a,"b".jpg', "ü.jpg", "left", "ann", "random"] and row["judge"] == "ann"
    other = ChoicesFile(path)
    other.append("a", "b", "tie", "bob", "active")
    # The next call sees what others wrote, and its own row last.
    assert [one["judge"] for one in file.append("c", "d", "skip", "ann", "active")] == ["bob", "ann"]
    assert [one["winner"] for one in ChoicesFile(path).read()] == ["left", "tie", "skip"]


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_off_is_removed(tmp_path, cut):
    path = tmp_path / "choices.csv"
    file = ChoicesFile(path)
    for name in "ab":
        file.append(name, "other.jpg", "left", "ann", "active")
    path.write_bytes(path.read_bytes()[:-cut])
    # Without its line break alone, a line is whole.
    left = 2 if cut == 1 else 1
    again = ChoicesFile(path)
    assert len(again.read()) == left
    again.append("c", "d", "left", "ann", "active")
    assert [len(row) for row in rows_of(path)] == [6] * (left + 2)


def test_a_cut_header_is_written_anew_and_other_files_are_refused(tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text("left,ri")
    assert ChoicesFile(path).read() == [] and rows_of(path) == [list(HEADER)]
    path.write_text("image,likes\na.jpg,3\n")
    with pytest.raises(ValueError, match="got the header 'image,likes', expected left,right"):
        ChoicesFile(path)
    path.write_text(",".join(HEADER) + "\na,b,best,ann,random,now\n")
    with pytest.raises(ValueError, match="new row 2: got 'a,b,best"):
        ChoicesFile(path).read()


def test_a_file_that_a_spreadsheet_program_saved_goes_on(tmp_path):
    path = tmp_path / "choices.csv"
    ChoicesFile(path).append("a", "b", "left", "ann", "random")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    again = ChoicesFile(path)
    again.append("c", "d", "tie", "bob", "active")
    assert [row["winner"] for row in ChoicesFile(path).read()] == ["left", "tie"]
    found = table.read(path, columns.find(path))
    assert [(row.left, row.votes, row.random) for row in found.rows] == [("a", (1, 0), True), ("c", (0.5, 0.5), False)]


WRITER = """
import sys
from lena_jax.cli.judge.choices_file import ChoicesFile
file = ChoicesFile(sys.argv[1])
for number in range(50):
    file.append(f"{number}.jpg" * 20, "b.jpg", "left", sys.argv[2], "random")
"""


def test_processes_write_one_file_without_mixing_lines(tmp_path):
    path = tmp_path / "choices.csv"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), judge]) for judge in ("ann", "bob")]
    assert [one.wait() for one in writers] == [0, 0]
    rows = rows_of(path)
    assert len(rows) == 101 and {len(row) for row in rows} == {6}
    for judge in ("ann", "bob"):
        assert [row[0] for row in rows if row[3] == judge] == [f"{n}.jpg" * 20 for n in range(50)]


def test_a_full_disk_leaves_no_half_line(tmp_path):
    path = tmp_path / "choices.csv"
    file = ChoicesFile(path)
    file.append("a", "b", "left", "ann", "random")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="disk is full|File too large"):
            file.append("c", "d", "left", "ann", "random")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before and os.path.getsize(path) == len(before)
