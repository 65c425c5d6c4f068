"""Words of a command: home folders, names that the output cannot show, and readers that have gone."""

import os
import subprocess
import sys

import pytest

from lena_jax.runtime import console


@pytest.mark.parametrize(
    "argument, expected",
    [
        ("--workdir=~/runs", "--workdir=/home/ann/runs"),
        ("--config.data.dir=~", "--config.data.dir=/home/ann"),
        ("--workdirs=~/a,~/b,c", "--workdirs=/home/ann/a,/home/ann/b,c"),
        ("~/photos", "/home/ann/photos"),
        ("--name=a~b", "--name=a~b"),
        ("a/~/b", "a/~/b"),
        ("--score=likes", "--score=likes"),
        ("hf:owner/~name", "hf:owner/~name"),
    ],
)
def test_a_tilde_is_the_home_folder(monkeypatch, argument, expected):
    monkeypatch.setenv("HOME", "/home/ann")
    assert console.arguments([argument]) == [expected]


SCRIPT = """
import sys
from lena_jax.runtime import console
with console.patient_output():
    for _ in range(3):
        print("f\\u00fcr", "x" * 100_000)
    open(sys.argv[1], "w").write("whole")
"""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_reader_that_has_gone_ends_nothing(tmp_path, encoding):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "file"],
        stdout=write,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    os.close(write)
    assert (done.returncode, done.stderr, (tmp_path / "file").read_text()) == (0, b"", "whole")


def test_what_cannot_be_shown_is_escaped(tmp_path):
    command = [sys.executable, "-c", SCRIPT, tmp_path / "file"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=True)
    assert done.stdout.startswith(b"f\\xfcr ") and not done.stderr
