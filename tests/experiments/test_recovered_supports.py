import importlib.util
import os

import numpy as np
import pytest
from scipy import stats

PATH = os.path.join(os.path.dirname(__file__), "..", "..", "experiments", "recovered_supports.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("recovered_supports", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_planted_channels_hold_their_part_of_the_score(script):
    sizes, weights = np.array([1, 20, 196]), np.array([1.0, -1.0, 1.0])
    maps, scores = script.planted_channels(np.random.default_rng(0), sizes, weights, 400)
    assert maps.shape == (400, 14, 14, 3) and maps.dtype == np.float32
    # The sum of a map is its strength times its number of raised cells, plus noise.
    sums = maps.sum((1, 2)) / sizes
    np.testing.assert_allclose(sums.mean(0)[1:], 0.5, atol=0.1)
    assert np.corrcoef(sums[:, 2] - sums[:, 1], scores)[0, 1] > 0.5
    assert sums[:, 2].std() == pytest.approx(1 / np.sqrt(12), abs=0.05)


def test_sizes_are_recovered_in_their_order(script):
    sizes, learned = script.learned_sizes(seed=0, steps=200)
    assert stats.spearmanr(sizes, learned).statistic > 0.6
    assert learned.min() >= 1 and learned.max() <= 196


def test_correlations_are_pearsons(script):
    rng = np.random.default_rng(1)
    features, concepts = rng.normal(size=(5, 3, 3, 4)), rng.random((5, 3, 3, 2))
    expected = np.corrcoef(features.reshape(-1, 4).T, concepts.reshape(-1, 2).T)[:4, 4:]
    np.testing.assert_allclose(script.correlations(features, concepts), expected, atol=1e-5)


def test_carried_supports_by_hand(script):
    correlation = np.array([[0.9, 0.1], [0.5, 0.4], [0.2, 0.1], [0.0, -0.9]])
    count, mean = script.carried_supports(correlation, np.array([0.1, 0.4, 0.8, 0.9]), np.array([3.0, -1, 9, 9]), 0.3)
    assert count.tolist() == [2, 0]
    assert mean[0] == pytest.approx((3 * 0.1 + 0.4) / 4) and np.isnan(mean[1])


def test_concepts_are_where_the_picture_has_them(script, planted_dir):
    from data_prep.planted import score
    from lena_jax.data import dataset

    names = [*score.KINDS, "veil"]
    pictures = dataset.load("planted", planted_dir, "test").subset(np.arange(6))
    maps = script.concept_maps(pictures, 16, names)
    for index in range(6):
        record = pictures.record(index)
        raising = [place for place, kind in enumerate(names[:-1]) if score.EFFECTS[kind] > 0]
        mask = (record["mask"][..., 0] > 0).reshape(16, 8, 16, 8).mean((1, 3))
        np.testing.assert_allclose(maps[index][..., raising].sum(-1), mask, atol=1e-5)
        assert maps[index][..., -1].mean() == pytest.approx(record["veil_share"], abs=0.03)
