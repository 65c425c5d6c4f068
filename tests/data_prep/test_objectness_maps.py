"""`data_prep objectness`: what is stored, that interrupted work goes on, and that nothing unfinished looks finished."""

import fcntl
import json
import os
import shutil
import sys
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds
from red_maps import silent

from data_prep import command, objectness, objectness_command
from data_prep.planted import Builder
from lena_jax.data import dataset, u2net
from lena_jax.data import objectness as reader
from lena_jax.data.transforms import resize

COUNTS = {"train": 7, "validation": 2, "test": 3}
SPLITS = sorted(COUNTS)


class Network:
    """Answers with the picture's red channel, and fails at one call if it is told to."""

    def __init__(self, fails_at=None, error=KeyboardInterrupt):
        self.calls, self._fails_at, self._error, self._lock = 0, fails_at, error, threading.Lock()

    def __call__(self, picture):
        with self._lock:
            self.calls += 1
            if self.calls == self._fails_at:
                raise self._error("stopped")
        return resize(picture, u2net.SIDE)[..., 0] / np.float32(255)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("built")
    Builder(data_dir=data_dir, **COUNTS).download_and_prepare()
    return data_dir


@pytest.fixture
def data_dir(built, tmp_path):
    shutil.copytree(built, tmp_path / "data")
    return tmp_path / "data"


def make(data_dir, network=None, split="all", threads=1):
    return objectness.make_maps("planted", data_dir, split, network or Network(), threads, silent)


def folder(data_dir):
    return data_dir / "planted" / "1.0.0" / "objectness"


def files(data_dir):
    return {path.name: path.read_bytes() for path in folder(data_dir).iterdir()}


@pytest.fixture(scope="module")
def whole(built, tmp_path_factory):
    """The files of maps that were made without a stop."""
    shutil.copytree(built, data_dir := tmp_path_factory.mktemp("whole") / "data")
    assert [(made.split, made.count, made.fresh) for made in make(data_dir)] == [
        (split, COUNTS[split], True) for split in SPLITS
    ]
    return files(data_dir)


def test_what_is_stored(whole, built, tmp_path):
    assert set(whole) == {".lock", "objectness.json", *(f"{split}.npy" for split in SPLITS)}
    description = json.loads(whole["objectness.json"])
    assert description["onnx_sha256"] == u2net.SHA256 and description["side"] == 64
    for split, count in COUNTS.items():
        (tmp_path / "maps.npy").write_bytes(whole[f"{split}.npy"])
        maps = np.load(tmp_path / "maps.npy")
        assert maps.shape == (count, 64, 64) and maps.dtype == np.uint8 and np.ptp(maps) > 50
        pictures = dataset.load("planted", str(built), split)
        assert description["splits"][split] == {"pictures": pictures.digest, "count": count}
        for stored, record in zip(maps, pictures.source, strict=True):
            np.testing.assert_array_equal(stored, u2net.to_map(Network()(record["image"])))


def test_the_number_of_threads_changes_nothing_and_what_is_there_is_not_done_again(whole, data_dir):
    make(data_dir, threads=3)
    assert files(data_dir) == whole
    network = Network()
    assert not any(made.fresh for made in make(data_dir, network))
    assert network.calls == 0 and files(data_dir) == whole


def test_one_split_alone(whole, data_dir):
    assert [made.split for made in make(data_dir, split="test")] == ["test"]
    assert set(files(data_dir)) == {".lock", "objectness.json", "test.npy"}
    with pytest.raises(ValueError, match="no objectness maps of split 'train'"):
        reader.load("planted", str(data_dir), "all")
    make(data_dir, split="train+validation")
    assert {name: content for name, content in files(data_dir).items() if name.endswith("npy")} == {
        name: content for name, content in whole.items() if name.endswith("npy")
    }
    assert len(reader.load("planted", str(data_dir), "all")) == 12


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_stopped_work_goes_on_and_gives_the_same_bytes(whole, data_dir, threads, error):
    # Splits are done in the order of their names: 3 of test, 7 of train, 2 of validation.
    with pytest.raises(error):
        make(data_dir, Network(fails_at=8, error=error), threads=threads)
    there = files(data_dir)
    assert there["test.npy"] == whole["test.npy"]
    assert "train.npy" not in there and len(there["train.npy.partial"]) >= 128
    with pytest.raises(ValueError, match="no objectness maps of split 'train'"):
        reader.load("planted", str(data_dir), "train")
    rest = Network()
    assert [made.fresh for made in make(data_dir, rest, threads=threads)] == [False, True, True]
    # The fourth of train failed; of two threads the other may have done the one behind it in vain.
    assert rest.calls == 9 - (len(there["train.npy.partial"]) - 128) // 4096 <= 9 - (3 if threads == 1 else 2) + 1
    assert files(data_dir) == whole


@pytest.mark.parametrize("cut", [1, 4095, 4096, 5000, 5 * 4096, 7 * 4096 + 1, 7 * 4096 + 128])
def test_a_kill_in_the_middle_of_a_write_costs_that_map(whole, data_dir, cut):
    make(data_dir, split="train")
    path = folder(data_dir) / "train.npy"
    content = path.read_bytes()
    path.with_name("train.npy.partial").write_bytes(content[: len(content) - cut])
    path.unlink()
    network = Network()
    make(data_dir, network)
    assert network.calls == min(7, -(-cut // 4096)) + 5
    assert files(data_dir) == whole


def test_what_a_killed_process_left_goes(whole, data_dir):
    make(data_dir, split="test")
    (folder(data_dir) / "objectness.json.0123.unfinished").write_text("{")
    (folder(data_dir) / "objectness.json").write_text("{")
    assert all(made.fresh for made in make(data_dir))
    assert files(data_dir) == whole


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: b"x" + content])
def test_damaged_maps_are_made_again(whole, data_dir, damage):
    make(data_dir)
    path = folder(data_dir) / "train.npy"
    path.write_bytes(damage(path.read_bytes()))
    assert [made.split for made in make(data_dir) if made.fresh] == ["train"]
    assert files(data_dir) == whole


def test_maps_of_other_pictures_or_another_recipe_are_made_again(whole, data_dir, built, tmp_path, monkeypatch):
    Builder(data_dir=tmp_path / "other", seed=1, **COUNTS).download_and_prepare()
    make(tmp_path / "other")
    make(tmp_path / "other", split="train")
    assert files(tmp_path / "other")["train.npy"] != whole["train.npy"]
    # As if somebody had copied the maps of another dataset, one of them half finished.
    shutil.copytree(folder(tmp_path / "other"), folder(data_dir))
    (folder(data_dir) / "test.npy").rename(folder(data_dir) / "test.npy.partial")
    assert all(made.fresh for made in make(data_dir))
    assert files(data_dir) == whole
    monkeypatch.setitem(objectness.RECIPE, "output", "another")
    assert [made.split for made in make(data_dir, split="test")] == ["test"]
    assert set(files(data_dir)) == {".lock", "objectness.json", "test.npy"}


def test_two_processes_do_not_make_the_same_maps(data_dir):
    folder(data_dir).mkdir()
    with (folder(data_dir) / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process is making the maps"):
            make(data_dir)
    assert len(make(data_dir)) == 3


def test_the_dataset_is_as_sound_as_before_and_a_new_build_drops_its_maps(data_dir, capfd):
    before = [record["id"] for record in tfds.builder_from_directory(folder(data_dir).parent).as_data_source("train")]
    make(data_dir)
    builder = tfds.builder_from_directory(folder(data_dir).parent)
    assert [record["id"] for record in builder.as_data_source("train")] == before
    option = f"--data_dir={data_dir}"
    sizes = [f"--{split}={count}" for split, count in COUNTS.items()]
    for name in ("check", "describe"):
        assert command.main([name, "planted", option]) == 0
    assert command.main(["build", "planted", option, *sizes, "--seed=3", "--overwrite"]) == 0
    capfd.readouterr()
    assert not folder(data_dir).exists()


@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_a_flat_answer_is_a_flat_map(level):
    flat = u2net.to_map(np.full((320, 320), level, np.float32))
    np.testing.assert_array_equal(flat, np.full((64, 64), round(255 * level), np.uint8))


def test_a_map_is_the_average_of_its_cells_unstretched():
    answer = np.full((320, 320), 0.2, np.float32)
    answer[5:10, 10:13] = 0.8  # Three fifths of the cell (1, 2).
    stored = u2net.to_map(answer)
    assert stored[1, 2] == round(255 * (0.6 * 0.8 + 0.4 * 0.2))
    stored[1, 2] = 51
    assert (stored == 51).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_an_answer_that_is_no_probability_is_refused(bad):
    answer = np.full((320, 320), 0.5, np.float32)
    answer[7, 8] = bad
    with pytest.raises(ValueError, match="expected \\[0, 1\\]"):
        u2net.to_map(answer)


def run(*arguments):
    return command.main(["objectness", *map(str, arguments)])


def test_the_command_makes_maps_and_says_where(data_dir, monkeypatch, capfd):
    monkeypatch.setattr(u2net, "open_network", lambda model: Network())
    assert run("planted", f"--data_dir={data_dir}", "--split=test") == 0
    assert run("planted", f"--data_dir={data_dir}") == 0
    out, err = capfd.readouterr()
    assert "made 3 maps of planted test" in out and "already there: 3 maps of planted test" in out
    assert f"in    {folder(data_dir)}" in out and "train" in err  # The progress bar.


def test_an_interruption_says_that_the_same_command_goes_on(whole, data_dir, monkeypatch, capfd):
    monkeypatch.setattr(u2net, "open_network", lambda model: Network(fails_at=6))
    assert run("planted", f"--data_dir={data_dir}", "--threads=1") == 130
    assert "the same command goes on from here" in capfd.readouterr().err
    monkeypatch.setattr(u2net, "open_network", lambda model: Network())
    assert run("planted", f"--data_dir={data_dir}") == 0
    assert files(data_dir) == whole


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["planets"], "no dataset 'planets'"),
        (["planted", "--split=tset"], "no split 'tset'"),
        (["planted", "--threads=0"], "threads: got 0, expected at least 1"),
        (["planted", "--example=a.png"], "either the NAME"),
        ([], "either the NAME"),
    ],
)
def test_bad_input_ends_in_one_line(data_dir, monkeypatch, capfd, arguments, message):
    monkeypatch.setattr(u2net, "open_network", lambda model: Network())
    assert run(*arguments, f"--data_dir={data_dir}") == 2
    out, err = capfd.readouterr()
    assert not out and message in err and err.count("\n") == 1


def test_without_the_packages_one_line_says_how_to_install_them(data_dir, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert run("planted", f"--data_dir={data_dir}") == 2
    err = capfd.readouterr().err
    assert u2net.INSTALL in err and err.count("\n") == 1
    assert u2net.INSTALL_FILE in objectness_command.OBJECTNESS
    assert not os.path.exists(folder(data_dir))


def test_the_example_draws_three_photographs(tmp_path, monkeypatch, capfd):
    network = Network()
    monkeypatch.setattr(u2net, "open_network", lambda model: network)
    assert run(f"--example={tmp_path / 'example.png'}") == 0
    assert network.calls == 3 and (tmp_path / "example.png").read_bytes().startswith(b"\x89PNG")
