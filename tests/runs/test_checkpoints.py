import json
import os
import shutil
from collections import namedtuple

import ml_collections
import numpy as np
import pytest

from lena_jax.backbones import Preprocessing
from lena_jax.runs import checkpoints

PIXELS = Preprocessing((0.5,) * 3, (0.25,) * 3, "BGR")
CONFIG = ml_collections.ConfigDict({"steps": 3, "data": {"name": "planted", "sizes": (1, 2)}})


def tree(value):
    return {"params": {"head": {"kernel": np.full((3, 1), value, np.float32)}}}


def row(step):
    return {"step": step, "loss": 0.5, "pair_accuracy": None}


def save(manager, step, accuracy=0.5, value=None):
    checkpoints.save(
        manager,
        step,
        tree(step if value is None else value),
        {"count": np.int32(step)},
        checkpoints.describe(CONFIG, PIXELS, "digest", [row(step)], [0.5]),
        accuracy,
    )


def test_a_checkpoint_is_deleted_whole_and_what_a_kill_left_of_it_goes(tmp_path, monkeypatch):
    manager = checkpoints.open_checkpoints(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(checkpoints.shutil, "rmtree", lambda *_, **__: None)  # Killed before it could delete.
        for step in (1, 2, 3, 4):
            save(manager, step, accuracy=0.1 * step)
    manager.close()
    folder = tmp_path / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["3", "4", "deleted"]
    assert sorted(path.name for path in (folder / "deleted").iterdir()) == ["1", "2"]
    assert checkpoints.set_aside_damaged(tmp_path) == []
    manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
    assert sorted(manager.all_steps()) == [3, 4] and (folder / "deleted").exists()
    manager.close()
    checkpoints.open_checkpoints(tmp_path).close()
    assert sorted(path.name for path in folder.iterdir()) == ["3", "4"]


@pytest.mark.parametrize(
    "name, change, said",
    [
        ("run", lambda whole: [], "expected a JSON object"),
        ("run", lambda whole: whole | {"config": 3}, "config: got 3, expected a dict"),
        ("run", lambda whole: {key: value for key, value in whole.items() if key != "data"}, "data: got None"),
        ("run", lambda whole: whole | {"history": [3]}, "history and pending: got 'nothing', expected numbers"),
        ("run", lambda whole: whole | {"preprocessing": {"mean": [1]}}, "preprocessing with the keys"),
        ("run", lambda whole: whole | {"config": whole["config"] | {"steps": "many"}}, "config.steps: got 'many'"),
        ("metrics", lambda whole: {"accuracy": 1}, "got None as pair_accuracy, expected a number"),
        ("metrics", lambda whole: 5, "expected a JSON object"),
    ],
)
def test_damaged_json_of_a_checkpoint_is_named(tmp_path, name, change, said):
    manager = checkpoints.open_checkpoints(tmp_path)
    save(manager, 1)
    manager.close()
    path = tmp_path / "checkpoints/1" / name / ("metadata" if name == "run" else "metrics")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=said) as raised:
        manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
        checkpoints.restore_run(manager, 1)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_what_was_saved_comes_back(tmp_path):
    manager = checkpoints.open_checkpoints(tmp_path)
    save(manager, 7, value=1.5)
    manager.close()
    manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
    restored = checkpoints.restore(manager, 7, variables=tree(0.0))
    np.testing.assert_array_equal(restored["variables"]["params"]["head"]["kernel"], 1.5)
    assert "training" not in restored
    assert checkpoints.restore(manager, 7, training={"count": np.int32(0)})["training"]["count"] == 7
    run = checkpoints.restore_run(manager, 7)
    assert run["config"].data.name == "planted" and run["preprocessing"] == PIXELS
    assert (run["data"], run["history"], run["pending"]) == ("digest", [row(7)], [0.5])


@pytest.mark.parametrize(
    "accuracies, kept, best",
    [
        ([0.6, 0.9, 0.7, 0.8], {20, 30, 40}, 20),
        ([0.0, 0.0, 0.0, 0.0], {30, 40}, 40),
        ([0.6, 0.7, 0.8, 0.9], {30, 40}, 40),
    ],
)
def test_the_best_and_the_two_newest_are_kept(tmp_path, accuracies, kept, best):
    manager = checkpoints.open_checkpoints(tmp_path)
    for step, accuracy in zip((10, 20, 30, 40), accuracies, strict=True):
        save(manager, step, accuracy)
    assert set(manager.all_steps()) == kept
    assert manager.best_step() == best and manager.latest_step() == 40
    assert set(json.loads((tmp_path / "checkpoint_digests.json").read_text())) == {str(step) for step in kept}


def test_a_save_that_was_cut_off_is_not_a_checkpoint(tmp_path):
    manager = checkpoints.open_checkpoints(tmp_path)
    save(manager, 10)
    manager.close()
    (tmp_path / "checkpoints/20.orbax-checkpoint-tmp").mkdir()
    manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
    assert manager.latest_step() == 10


def damage(path, how):
    content = path.read_bytes()
    if how == "lost":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


@pytest.mark.parametrize("how", ["lost", "cut", "bit"])
def test_any_damaged_file_of_a_checkpoint_is_found(tmp_path, how):
    manager = checkpoints.open_checkpoints(tmp_path / "run")
    save(manager, 10)
    save(manager, 20)
    manager.close()
    whole = tmp_path / "run/checkpoints/20"
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 5
    for number, file in enumerate(files):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "run", copy)
        damage(copy / "checkpoints/20" / file, how)
        with pytest.raises(ValueError, match="step 20 .* is damaged"):
            checkpoints.check(copy, 20)
        checkpoints.check(copy, 10)
        assert checkpoints.set_aside_damaged(copy) == [20]
        assert (copy / "damaged_checkpoints/20").is_dir()
        manager = checkpoints.open_checkpoints(copy)
        assert manager.all_steps() == [10]
        manager.close()
        shutil.rmtree(copy)
    assert checkpoints.set_aside_damaged(tmp_path / "run") == []


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    manager = checkpoints.open_checkpoints(tmp_path)
    save(manager, 10)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(OSError, match="step 20 needs 1 MB, .* has 0 MB free; the newest checkpoint is of step 10"):
        save(manager, 20)
    assert os.listdir(tmp_path / "checkpoints") == ["10"]


def test_reading_where_nothing_was_saved_is_an_error_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint in"):
        checkpoints.open_checkpoints(tmp_path, read_only=True)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="no finished checkpoint"):
        checkpoints.open_checkpoints(tmp_path, read_only=True)
    assert not list((tmp_path / "checkpoints").iterdir())
