"""The fast rank correlations against SciPy's, with ties, and few and many values."""

import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics.rank_correlations import SMALL, kendall, mean_spearman, ranks, spearman


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("count", [2, 3, 24, SMALL, SMALL + 1])
def test_they_are_scipys(count, levels):
    rng = np.random.default_rng(count + levels)
    first, second = (np.append(rng.integers(0, levels, count - 2), [0, 1]) / 7 for _ in range(2))
    np.testing.assert_array_equal(ranks(first), stats.rankdata(first))
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


def test_a_group_with_a_constant_side_is_left_out_of_the_mean():
    rng = np.random.default_rng(0)
    predicted, scores = rng.normal(size=(3, 20)), rng.normal(size=20)
    members = [np.arange(5), np.arange(5, 12), np.arange(12, 19), np.array([19])]
    scores[members[1]], predicted[1, members[2]] = 2.0, 0.5
    of = [
        [stats.spearmanr(row[index], scores[index]).statistic for index in (members[0], members[2])]
        for row in predicted[[0, 2]]
    ]
    alone = stats.spearmanr(predicted[1, :5], scores[:5]).statistic
    expected = [np.average(of[0], weights=[5, 7]), alone, np.average(of[1], weights=[5, 7])]
    np.testing.assert_allclose(mean_spearman(predicted, scores, members), expected)
    assert np.isnan(mean_spearman(predicted, scores, members[1:2])).all()
