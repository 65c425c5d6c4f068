"""Builds are staged: killed, failed, repeated and competing builds leave whole datasets or none."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import tensorflow_datasets as tfds

from data_prep import staging
from data_prep.planted import Builder

SMALL = {"train": 4, "validation": 2, "test": 2}


def make(data_dir, **changes):
    return Builder(data_dir=data_dir, **{**SMALL, **changes})


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_builds_and_then_finds_the_same(tmp_path):
    first = staging.build(make, tmp_path / "new" / "data")
    assert first.fresh and first.name == "planted"
    assert first.path == tmp_path / "new" / "data" / "planted" / "1.0.0"
    assert first.report["counts"] == SMALL
    assert sorted(path.name for path in (tmp_path / "new" / "data").iterdir()) == ["planted"]
    before = files(tmp_path)
    again = staging.build(make, tmp_path / "new" / "data")
    assert not again.fresh and again.report == first.report
    assert files(tmp_path) == before


def test_other_input_needs_overwrite(tmp_path):
    staging.build(make, tmp_path)
    before = files(tmp_path)
    with pytest.raises(ValueError, match="made from other input.*--overwrite"):
        staging.build(partial(make, seed=1), tmp_path)
    assert files(tmp_path) == before
    replaced = staging.build(partial(make, seed=1), tmp_path, overwrite=True)
    assert replaced.fresh and replaced.report["seed"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["planted"]


def test_a_failed_overwrite_keeps_what_was_there(tmp_path):
    staging.build(make, tmp_path)
    before = files(tmp_path)

    def fail(examples, split, total):
        raise ValueError("broken input")

    def make_failing(data_dir):
        builder = make(data_dir, seed=1)
        builder.progress = fail
        return builder

    with pytest.raises(ValueError, match="broken input"):
        staging.build(make_failing, tmp_path, overwrite=True)
    assert files(tmp_path) == before
    with pytest.raises(ValueError, match="broken input"):
        staging.build(make_failing, tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


def test_a_folder_of_unknown_origin_needs_overwrite(tmp_path):
    (tmp_path / "planted" / "1.0.0").mkdir(parents=True)
    with pytest.raises(ValueError, match="--overwrite"):
        staging.build(make, tmp_path)


def test_a_file_as_data_dir_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; expected a folder"):
        staging.build(make, tmp_path / "file")


def test_a_killed_build_is_not_taken_for_complete_and_is_cleaned_up(tmp_path):
    script = """
import os, signal, sys
from data_prep import staging
from data_prep.planted import Builder
def die(examples, split, total):
    for number, example in enumerate(examples):
        if split == "test":
            os.kill(os.getpid(), signal.SIGKILL)
        yield example
def make(data_dir):
    builder = Builder(data_dir=data_dir, train=4, validation=2, test=2)
    builder.progress = die
    return builder
staging.build(make, sys.argv[1])
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    assert [path.name.startswith(staging.PREFIX) for path in tmp_path.iterdir()] == [True]
    with pytest.raises(tfds.core.DatasetNotFoundError):
        tfds.core.load.read_only_builder.builder_from_files("planted", data_dir=tmp_path)
    assert staging.build(make, tmp_path).fresh
    assert [path.name for path in tmp_path.iterdir()] == ["planted"]


def test_a_build_under_way_is_left_alone(tmp_path):
    script = """
import sys, time
from pathlib import Path
from data_prep import staging
with staging._staging_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "locked\n"
        (folder,) = tmp_path.iterdir()
        staging.remove_leftovers(tmp_path)
        assert folder.exists()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        staging.remove_leftovers(tmp_path)
    assert not folder.exists()
