"""The floor under a ranker: what size and colour alone say."""

import numpy as np
import pytest

from lena_jax.data.splits import open_pictures
from lena_jax.studies import simple_properties
from lena_jax.train import pair_matrix


@pytest.fixture(scope="module")
def pictures(planted_dir):
    from lena_jax.config import default_config

    config = default_config()
    config.data.dir = str(planted_dir)
    return open_pictures(config)["train"]


def test_a_score_that_is_a_property_is_explained_and_one_that_is_chance_is_not(pictures, monkeypatch):
    import dataclasses

    from lena_jax.evaluation.picture_properties import properties

    bright = np.array([properties(pictures.still(index))["brightness"] for index in range(len(pictures))])
    explained = simple_properties.accuracy(dataclasses.replace(pictures, scores=bright), 3)
    assert explained["pair_accuracy"] > 0.9 and "brightness" in explained["properties"]
    chance = dataclasses.replace(pictures, scores=np.random.default_rng(0).normal(size=len(pictures)))
    assert 0.3 < simple_properties.accuracy(chance, 3)["pair_accuracy"] < 0.7
    monkeypatch.setattr(pair_matrix, "MOST_PICTURES", 10)
    assert simple_properties.accuracy(chance, 3) is None
