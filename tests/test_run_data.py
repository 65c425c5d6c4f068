import numpy as np
import pytest

from lena_jax import run_data


@pytest.fixture
def folds(small_config):
    """Folds of `planted`, which have no validation pictures of their own."""
    small_config.data.folds, small_config.data.fold, small_config.data.validation = 4, 1, 0.2
    return small_config


def ids(config):
    return {name: part.ids.tolist() for name, part in run_data.open_pictures(config).items()}


def test_validation_is_a_share_of_the_training_pictures_and_never_of_the_test_ones(folds):
    parts = ids(folds)
    assert (len(parts["train"]), len(parts["validation"]), len(parts["test"])) == (53, 13, 22)
    assert len(set(sum(parts.values(), []))) == 88
    folds.data.validation = 0.0
    whole = run_data.open_pictures(folds)
    assert whole["validation"] is None and whole["test"].ids.tolist() == parts["test"]
    assert set(whole["train"].ids) == {*parts["train"], *parts["validation"]}


def test_it_is_the_same_each_time_whatever_the_seed_of_training(folds):
    before = ids(folds)
    folds.seed = 5
    assert ids(folds) == before
    folds.data.fold_seed = 1
    assert ids(folds) != before


def test_a_data_set_with_validation_pictures_keeps_its_own(small_config):
    before = ids(small_config)
    small_config.data.validation = 0.3
    assert ids(small_config) == before and len(before["validation"]) == 16


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_out_of_range_is_refused(folds, share):
    folds.data.validation = share
    with pytest.raises(ValueError, match=f"must be a share in .0, 0.5., got {share}"):
        run_data.open_pictures(folds)


def test_the_fingerprint_tells_the_parts_apart(folds):
    prints = set()
    for share in (0.0, 0.2, 0.3):
        folds.data.validation = share
        prints |= {run_data.fingerprint(run_data.open_pictures(folds)) for _ in range(2)}
    assert len(prints) == 3 and all(isinstance(one, str) for one in prints)
    parts = run_data.open_pictures(folds)
    changed = parts["train"].subset(np.arange(len(parts["train"]))[::-1])
    assert run_data.fingerprint(parts | {"train": changed}) not in prints
