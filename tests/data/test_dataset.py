import dataclasses

import numpy as np
import pytest

from lena_jax.data import dataset
from lena_jax.data.splits import make_folds, open_pictures


def test_planted_is_read_with_scores_and_pictures(planted_dir):
    pictures = dataset.load("planted", str(planted_dir), "train")
    assert len(pictures) == 48 and pictures.groups is None and len(set(pictures.ids)) == 48
    record = pictures.record(5)
    assert record["image"].shape == (128, 128, 3) and record["image"].dtype == np.uint8
    assert record["score"] == pytest.approx(pictures.scores[5])


def test_all_is_every_split_and_a_subset_keeps_its_source(planted_dir):
    pictures = dataset.load("planted", str(planted_dir), "all")
    assert len(pictures) == 48 + 16 + 24
    subset = pictures.subset([70, 3])
    assert subset.ids.tolist() == pictures.ids[[70, 3]].tolist() and subset.digest == pictures.digest
    np.testing.assert_array_equal(subset.picture(0), pictures.picture(70))
    np.testing.assert_array_equal(subset.subset([1]).picture(0), pictures.picture(3))


def test_folds_split_all_pictures(planted_dir):
    pictures = dataset.load("planted", str(planted_dir), "all")
    parts = make_folds(pictures, 5)
    assert sorted(np.concatenate(parts)) == list(range(88)) and {len(part) for part in parts} == {17, 18}
    with pytest.raises(ValueError, match="got 89"):
        make_folds(pictures, 89)


def test_folds_keep_units_and_what_a_subset_has_of_them(planted_dir):
    pictures = dataset.load("planted", str(planted_dir), "all")
    assert len(set(pictures.units)) == 88  # No two composed pictures are equal.
    pictures = dataclasses.replace(pictures, units=np.arange(88) // 4)
    for part in make_folds(pictures, 5):
        assert len(part) % 4 == 0 and 16 <= len(part) <= 20
    few = pictures.subset([0, 1, 50, 51, 87])
    assert sorted(map(len, make_folds(few, 3))) == [1, 2, 2]
    assert sum(len(part) for part in make_folds(dataclasses.replace(few, units=None), 5)) == 5


def test_a_fold_is_tested_on_what_it_was_not_trained_on(small_config):
    small_config.data.folds = 4
    tested = []
    for fold in range(4):
        small_config.data.fold = fold
        parts = open_pictures(small_config)
        assert parts["validation"] is None and len(parts["train"]) == 66
        assert not set(parts["train"].ids) & set(parts["test"].ids)
        tested += parts["test"].ids.tolist()
    assert len(set(tested)) == 88
    small_config.data.fold = 4
    with pytest.raises(ValueError, match=r"\[0, 4\), got 4"):
        open_pictures(small_config)


def test_errors_say_what_is_there(planted_dir, tmp_path):
    with pytest.raises(ValueError, match="no split 'dev', it has .'test', 'train', 'validation'"):
        dataset.load("planted", str(planted_dir), "dev")
    with pytest.raises(ValueError, match="none.*python -m data_prep build planted"):
        dataset.load("planted", str(tmp_path), "train")
    with pytest.raises(ValueError, match="which has .'planted'"):
        dataset.load("plantd", str(planted_dir), "train")


def test_the_newest_version_is_read(tmp_path):
    for version in ("1.2.0", "1.10.0", "1.9.9.incomplete"):
        (tmp_path / "set" / version).mkdir(parents=True)
    assert dataset.dataset_directory("set", str(tmp_path)).endswith("1.10.0")


def test_a_dataset_of_an_older_version_says_so(tmp_path):
    for version, name in (("1.1.0", "old"), ("2.0.0", "new")):
        (tmp_path / "image_scores" / name / version).mkdir(parents=True)
    assert "built by version 1.1.0, which ignored colour profiles" in dataset.age("image_scores/old", str(tmp_path))
    assert dataset.age("image_scores/new", str(tmp_path)) == ""
