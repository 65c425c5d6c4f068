import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics import group_correlation, rank_correlation
from lena_jax.metrics.rank_correlation import prepare_kendall, prepare_spearman

BOTH = [(prepare_spearman, stats.spearmanr), (prepare_kendall, stats.kendalltau)]


@pytest.mark.parametrize("in_a_matrix", [0, 500])
@pytest.mark.parametrize("prepare, of_scipy", BOTH)
def test_it_is_what_scipy_says_of_the_pictures_that_were_drawn(prepare, of_scipy, in_a_matrix, monkeypatch):
    monkeypatch.setattr(rank_correlation, "IN_A_MATRIX", in_a_matrix)
    rng = np.random.default_rng(0)
    for count in rng.integers(2, 40, 30):
        ties = rng.integers(2, 30)
        predicted, scores = rng.integers(0, ties, (2, count)) + rng.normal(0, 1, count) * (ties > 15)
        groups = rng.integers(0, 3, count) if count % 2 else None
        correlation = prepare(predicted, scores, groups)
        for _ in range(5):
            index = rng.integers(0, count, count)
            expected = group_correlation(
                of_scipy, predicted[index], scores[index], None if groups is None else groups[index]
            )
            found = correlation(np.bincount(index, minlength=count).astype(float))
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
            assert np.isnan(found) or -1 <= found <= 1


@pytest.mark.parametrize("prepare, of_scipy", BOTH)
def test_within_groups_it_leaves_constant_groups_out(prepare, of_scipy):
    scores, groups = np.array([1.0, 2, 3, 1, 2, 3, 4]), [0, 0, 0, 1, 1, 1, 2]
    assert prepare([1.0, 2, 3, 5, 5, 5, 9], scores, groups)(np.ones(7)) == pytest.approx(1)
    two = of_scipy([2, 1, 3], [1, 2, 3]).statistic, of_scipy([1, 2, 2], [1, 2, 3]).statistic
    predicted = [2.0, 1, 3, 1, 2, 2, 0]
    assert prepare(predicted, scores, groups)(np.ones(7)) == pytest.approx(np.mean(two))
    # The sizes that were drawn are the weights.
    times = np.array([2.0, 2, 2, 1, 1, 1, 5])
    first = of_scipy([2, 1, 3] * 2, [1, 2, 3] * 2).statistic
    assert prepare(predicted, scores, groups)(times) == pytest.approx((6 * first + 3 * two[1]) / 9)
    assert np.isnan(prepare(np.ones(7), scores, groups)(np.ones(7)))
    assert np.isnan(prepare([1.0, 2.0], [1.0, 2.0])(np.array([2.0, 0.0])))
