import json

import numpy as np
import pair_data
import pytest
from PIL import Image

from lena_jax.data import dataset
from lena_jax.data.splits import open_pictures
from lena_jax.train.loop import train


def load(data_dir, split="train"):
    return dataset.load("judged", str(data_dir), split)


def decoded(number):
    return Image.open(pair_data.picture(number))


def test_each_picture_is_there_once_and_the_label_says_which_is_ahead(tmp_path):
    pair_data.build(tmp_path, {"train": [(3, 5, 1), (3, 4, 0), (8, 5, 0)], "test": [(1, 2, 1)]})
    pictures = load(tmp_path)
    assert pictures.ids.tolist() == ["p3", "p5", "p4", "p8"] and pictures.scores.tolist() == [3, 5, 4, 8]
    # The label decides the order, not the scores.
    assert pictures.ids[pictures.pairs].tolist() == [["p3", "p5"], ["p4", "p3"], ["p5", "p8"]]
    for index, number in enumerate((3, 5, 4, 8)):
        np.testing.assert_array_equal(pictures.picture(index), decoded(number))
    assert pictures.groups is None and pictures.weights is None
    assert load(tmp_path, "all").pairs.shape == (4, 2) and load(tmp_path, "test").digest != pictures.digest


def test_pictures_that_pairs_join_stay_together_and_a_subset_keeps_its_pairs(tmp_path):
    pair_data.build(tmp_path, {"train": [(1, 2, 1), (2, 3, 0), (10, 11, 1), (20, 21, 0)]})
    pictures = load(tmp_path)
    units = dict(zip(pictures.ids, pictures.units, strict=True))
    assert units["p1"] == units["p2"] == units["p3"] and len(set(units.values())) == 3
    subset = pictures.subset(np.flatnonzero(np.isin(pictures.ids, ["p3", "p2", "p11"])))
    assert subset.ids[subset.pairs].tolist() == [["p3", "p2"]]


def test_a_share_for_validation_takes_whole_units(tmp_path, small_config):
    pair_data.build(tmp_path, {"train": [(2 * n, 2 * n + 1, n % 2) for n in range(20)], "test": [(90, 91, 1)]})
    small_config.data.name, small_config.data.dir, small_config.data.validation = "judged", str(tmp_path), 0.2
    parts = open_pictures(small_config)
    assert (len(parts["train"]), len(parts["validation"])) == (32, 8)
    assert (len(parts["train"].pairs), len(parts["validation"].pairs)) == (16, 4)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"label": lambda record: 2}, "pair 0 of 'train': got the label 2, expected 0 or 1"),
        ({"right_id": lambda record: "p1"}, "the id 'p1' already stands for another picture"),
    ],
)
def test_a_pair_that_cannot_be_is_refused(tmp_path, change, message):
    pair_data.build(tmp_path, {"train": [(1, 2, 1)]}, **change)
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_there_is_no_other_score(tmp_path):
    pair_data.build(tmp_path, {"train": [(1, 2, 1)]})
    with pytest.raises(ValueError, match="has no score 'likes', expected 'score'"):
        dataset.load("judged", str(tmp_path), "train", "likes")


def test_training_on_given_pairs_learns_what_people_chose(tmp_path, tiny_trunks):
    """The labels contradict the scores: training on the scores would learn the opposite order."""
    import tiny_trunk

    pairs = [(left, right, 1 - label) for left, right, label in pair_data.some_pairs(0, 30)]
    pair_data.build(tmp_path, {"train": pairs, "validation": [(n, n + 9, 1) for n in range(31, 36)]})
    config = tiny_trunk.get_config()
    config.data.name, config.data.dir, config.steps, config.eval_every = "judged", str(tmp_path), 40, 40
    config.pooling, config.log_every = "average", 40
    train(config, str(tmp_path / "run"))
    batches, validation = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert batches["pair_accuracy"] > 0.9 and validation["validation_pair_accuracy"] == 1
