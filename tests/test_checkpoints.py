import ml_collections
import numpy as np
import pytest

from lena_jax import checkpoints
from lena_jax.backbones import Preprocessing

PIXELS = Preprocessing((0.5,) * 3, (0.25,) * 3, "BGR")
CONFIG = ml_collections.ConfigDict({"steps": 3, "data": {"name": "planted", "sizes": (1, 2)}})


def tree(value):
    return {"params": {"head": {"kernel": np.full((3, 1), value, np.float32)}}}


def test_what_was_saved_comes_back(tmp_path):
    manager = checkpoints.open_checkpoints(tmp_path)
    checkpoints.save(manager, 7, tree(1.5), {"count": np.int32(3)}, CONFIG, PIXELS, "digest", 0.6)
    manager.close()
    manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
    restored = checkpoints.restore(manager, 7, variables=tree(0.0))
    np.testing.assert_array_equal(restored["variables"]["params"]["head"]["kernel"], 1.5)
    assert "optimizer" not in restored
    assert checkpoints.restore(manager, 7, optimizer={"count": np.int32(0)})["optimizer"]["count"] == 3
    config, preprocessing, data = checkpoints.restore_config(manager, 7)
    assert config.data.name == "planted" and data == "digest" and preprocessing == PIXELS


@pytest.mark.parametrize("accuracies, kept, best", [
    ([0.6, 0.9, 0.7, 0.8], {20, 40}, 20), ([0.0, 0.0, 0.0, 0.0], {40}, 40), ([0.6, 0.7, 0.8, 0.9], {40}, 40)])
def test_the_best_and_the_newest_are_kept(tmp_path, accuracies, kept, best):
    manager = checkpoints.open_checkpoints(tmp_path)
    for step, accuracy in zip((10, 20, 30, 40), accuracies, strict=True):
        checkpoints.save(manager, step, tree(step), {"count": np.int32(step)}, CONFIG, PIXELS, "digest", accuracy)
    assert set(manager.all_steps()) == kept
    assert manager.best_step() == best and manager.latest_step() == 40


def test_a_save_that_was_cut_off_is_not_a_checkpoint(tmp_path):
    manager = checkpoints.open_checkpoints(tmp_path)
    checkpoints.save(manager, 10, tree(1.0), {"count": np.int32(0)}, CONFIG, PIXELS, "digest", 0.5)
    manager.close()
    (tmp_path / "checkpoints/20.orbax-checkpoint-tmp").mkdir()
    manager = checkpoints.open_checkpoints(tmp_path, read_only=True)
    assert manager.latest_step() == 10


def test_reading_where_nothing_was_saved_is_an_error_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint in"):
        checkpoints.open_checkpoints(tmp_path, read_only=True)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="no finished checkpoint"):
        checkpoints.open_checkpoints(tmp_path, read_only=True)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_differing_keys_are_named_in_full():
    ours = {"steps": 3, "data": {"name": "a", "dir": "x"}, "only": 1}
    theirs = {"steps": 3, "data": {"name": "b", "dir": "x"}, "other": None}
    assert checkpoints.differing_keys(ours, theirs) == ["data.name", "only"]
    assert checkpoints.differing_keys(ours, ours) == []
    assert checkpoints.as_json(CONFIG)["data"]["sizes"] == [1, 2]
