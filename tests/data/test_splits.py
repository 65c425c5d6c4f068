import json
import shutil

import numpy as np
import pytest

from lena_jax.data.splits import fingerprint, open_pictures
from lena_jax.data.transforms import resize


@pytest.fixture
def folds(small_config):
    """A config with folds of `planted`, which have no validation split."""
    small_config.data.folds, small_config.data.fold, small_config.data.validation = 4, 1, 0.2
    return small_config


def ids(config):
    return {name: part.ids.tolist() for name, part in open_pictures(config).items()}


def test_validation_is_a_share_of_the_training_pictures_and_never_of_the_test_ones(folds):
    parts = ids(folds)
    assert (len(parts["train"]), len(parts["validation"]), len(parts["test"])) == (53, 13, 22)
    assert len(set(sum(parts.values(), []))) == 88
    folds.data.validation = 0.0
    whole = open_pictures(folds)
    assert whole["validation"] is None and whole["test"].ids.tolist() == parts["test"]
    assert set(whole["train"].ids) == {*parts["train"], *parts["validation"]}


def test_it_is_the_same_each_time_whatever_the_seed_of_training(folds):
    before = ids(folds)
    folds.seed = 5
    assert ids(folds) == before
    folds.data.fold_seed = 1
    assert ids(folds) != before


def test_a_dataset_with_validation_pictures_keeps_its_own(small_config):
    before = ids(small_config)
    small_config.data.validation = 0.3
    assert ids(small_config) == before and len(before["validation"]) == 16


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_out_of_range_is_refused(folds, share):
    folds.data.validation = share
    with pytest.raises(ValueError, match=f"must be a share in .0, 0.5., got {share}"):
        open_pictures(folds)


def test_the_fingerprint_tells_the_splits_apart(folds):
    prints = set()
    for share in (0.0, 0.2, 0.3):
        folds.data.validation = share
        prints |= {fingerprint(open_pictures(folds)) for _ in range(2)}
    assert len(prints) == 3 and all(isinstance(one, str) for one in prints)
    parts = open_pictures(folds)
    changed = parts["train"].subset(np.arange(len(parts["train"]))[::-1])
    assert fingerprint(parts | {"train": changed}) not in prints


def test_maps_come_with_the_pictures_where_they_are_fused(folds, mapped_dir, tmp_path):
    folds.data.dir = str(mapped_dir)
    without = open_pictures(folds)
    assert all(part.objectness is None for part in without.values())
    folds.fusion = "gate"
    parts = open_pictures(folds)
    for name, part in parts.items():
        assert part.ids.tolist() == without[name].ids.tolist()
        for index in (0, len(part) - 1):
            np.testing.assert_array_equal(part.objectness_map(index), resize(part.picture(index), 64)[..., 0])
    with pytest.raises(ValueError, match="without objectness maps"):
        without["test"].objectness_map(0)


def test_the_fingerprint_tells_the_maps_apart_and_is_what_it_was_without(folds, mapped_dir, tmp_path):
    before = fingerprint(open_pictures(folds))
    prints = {before}
    shutil.copytree(mapped_dir / "planted", tmp_path / "planted")
    for data_dir in (mapped_dir, tmp_path):
        folds.data.dir, folds.fusion = str(data_dir), "none"
        assert fingerprint(open_pictures(folds)) == before
        folds.fusion = "concat"
        prints.add(fingerprint(open_pictures(folds)))
    assert len(prints) == 2
    description = tmp_path / "planted/1.0.0/objectness/objectness.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"network": "another"}))
    assert fingerprint(open_pictures(folds)) not in prints
