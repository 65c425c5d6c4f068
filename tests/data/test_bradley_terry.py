"""Strengths against choix's own posterior, known truth, and limiting cases."""

import choix
import numpy as np
import pytest

from lena_jax.data import bradley_terry
from lena_jax.data.bradley_terry import held_out, strengths


def drawn(count, pairs, rng, spread=1.0):
    truth = rng.normal(0, spread, count)
    sides = np.array([rng.choice(count, 2, replace=False) for _ in range(pairs)])
    left = rng.random(pairs) < 1 / (1 + np.exp(truth[sides[:, 1]] - truth[sides[:, 0]]))
    return truth, sides, np.stack([left, ~left], 1).astype(float)


def test_values_and_errors_are_those_of_expectation_propagation():
    _, sides, votes = drawn(12, 300, np.random.default_rng(0))
    found = strengths(12, sides, votes, spread=1.0)
    winners = np.where(votes[:, :1] == 1, sides, sides[:, ::-1]).tolist()
    mean, covariance = choix.ep_pairwise(12, winners, 1.0, model="logit")
    np.testing.assert_allclose(found.value, mean, atol=0.06)
    np.testing.assert_allclose(found.error, np.sqrt(np.diag(covariance)), rtol=0.06)


def test_the_truth_is_within_the_errors_and_the_spread_is_found():
    truth, sides, votes = drawn(60, 1500, np.random.default_rng(1), spread=1.0)
    found = strengths(60, sides, votes)
    assert found.spread == 1.0 and found.whole and (found.component == 0).all()
    z = (found.value - found.value.mean() - truth + truth.mean()) / found.error
    assert 0.7 < z.std() < 1.2


def test_ties_repeats_and_components():
    # A vote of 2 : 1 is the same as three rows; a tie is half a vote for each.
    once = strengths(4, [[0, 1], [2, 3]], [[2, 1], [0.5, 0.5]], spread=1.0)
    rows = strengths(4, [[0, 1], [1, 0], [0, 1], [3, 2]], [[1, 0], [1, 0], [1, 0], [0.5, 0.5]], spread=1.0)
    np.testing.assert_allclose(once.value, rows.value, atol=1e-5)
    assert once.value[2] == pytest.approx(once.value[3], abs=1e-6) and once.component.tolist() == [0, 0, 1, 1]
    # The maximum of one pair: t with 2 t / spread^2 ... = votes - expected votes.
    t = once.value[0] - once.value[1]
    assert 2 - 3 / (1 + np.exp(-t)) == pytest.approx(t / 2, abs=1e-4)


@pytest.mark.parametrize("limit, most", [("MOST_PICTURES", 2), ("MOST_VOTES", 4)])
def test_too_many_pictures_or_votes_give_log_odds(monkeypatch, limit, most):
    monkeypatch.setattr(bradley_terry, limit, most)
    found = strengths(3, [[0, 1], [1, 2]], [[3, 0], [1, 1]])
    np.testing.assert_allclose(found.value, np.log([4 / 1, 2 / 5, 2 / 2]))
    assert not found.whole and np.isnan(found.spread)


def test_held_out_pairs_are_predicted_without_their_own_votes():
    truth, sides, votes = drawn(15, 400, np.random.default_rng(2), spread=2.0)
    ahead = held_out(15, sides, votes, folds=3)
    right = np.sign(ahead) == np.sign(votes[:, 0] - votes[:, 1])
    best = np.sign(truth[sides[:, 0]] - truth[sides[:, 1]]) == np.sign(votes[:, 0] - votes[:, 1])
    assert best.mean() - 0.08 < right.mean() <= best.mean() + 0.05
    # A pair whose pictures are nowhere else is not known.
    alone = held_out(17, np.concatenate([sides, [[15, 16]]]), np.concatenate([votes, [[1, 0]]]), folds=3)
    assert alone[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("votes", [[[1, -1]], [[0, 0]], [[np.nan, 1]], [[1, 0], [1, 0]]])
def test_impossible_votes_are_refused(votes):
    with pytest.raises(ValueError, match="expected as many of each"):
        strengths(2, [[0, 1]], votes)
