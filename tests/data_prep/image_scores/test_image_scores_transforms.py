"""Rates and percentiles: examples by hand, limiting cases, and a prior recovered from simulated counts."""

import numpy as np
import pytest

from data_prep.image_scores import transforms


def test_a_given_prior_by_hand():
    likes, views, groups = [1, 400, 0], [2, 1000, 98], ["a", "a", "a"]
    scores, priors = transforms.shrunk_rates(likes, views, groups, strength=100)
    rate = 401 / 1100
    assert priors == {"a": transforms.Prior(pytest.approx(rate), 100.0)}
    expected = [(1 + 100 * rate) / 102, (400 + 100 * rate) / 1100, 100 * rate / 198]
    np.testing.assert_allclose(scores, expected)
    # One like of two views does not outrank 400 of 1,000.
    assert scores[1] > scores[0] > scores[2]


def test_groups_have_their_own_prior_and_order_does_not_matter():
    rng = np.random.default_rng(0)
    views = rng.integers(1, 500, 60).astype(float)
    likes = rng.binomial(views.astype(int), np.where(np.arange(60) < 30, 0.02, 0.4)).astype(float)
    groups = np.repeat(["x", "y"], 30)
    scores, priors = transforms.shrunk_rates(likes, views, groups)
    order = rng.permutation(60)
    again, _ = transforms.shrunk_rates(likes[order], views[order], groups[order])
    np.testing.assert_allclose(again, scores[order])
    alone, _ = transforms.shrunk_rates(likes[:30], views[:30], groups[:30])
    np.testing.assert_allclose(alone, scores[:30])
    assert priors["x"].rate < 0.05 < 0.3 < priors["y"].rate


@pytest.mark.parametrize(("mean", "strength"), [(0.05, 30), (0.3, 200), (0.01, 1000)])
def test_the_prior_is_found_again_from_simulated_counts(mean, strength):
    rng = np.random.default_rng(1)
    views = rng.integers(200, 20_000, 4000)
    likes = rng.binomial(views, rng.beta(mean * strength, (1 - mean) * strength, len(views)))
    prior = transforms.fit_prior(likes, views)
    assert prior.rate == pytest.approx(mean, rel=0.05)
    assert prior.strength == pytest.approx(strength, rel=0.15)


def test_shrinking_predicts_the_true_rates_better():
    rng = np.random.default_rng(2)
    views = rng.integers(1, 300, 2000)
    true = rng.beta(2, 38, len(views))
    likes = rng.binomial(views, true)
    scores, _ = transforms.shrunk_rates(likes, views, ["a"] * len(views))
    raw = likes / views
    assert np.mean((scores - true) ** 2) < 0.6 * np.mean((raw - true) ** 2)


@pytest.mark.parametrize(
    ("likes", "views", "strength"),
    [
        ([5, 50, 10], [50, 500, 100], 650),  # Equal rates: nothing but the group's rate is known.
        ([3], [10], 10),  # One picture.
        ([0, 0], [0, 0], 1),  # No views at all.
        ([1, 0], [1, 1], 2),  # One view each tells nothing about differences.
        ([100, 0], [100, 100], 1),  # As different as can be.
    ],
)
def test_limits_of_the_prior(likes, views, strength):
    prior = transforms.fit_prior(likes, views)
    assert prior.strength == pytest.approx(strength)
    scores, _ = transforms.shrunk_rates(likes, views, ["a"] * len(likes))
    assert np.isfinite(scores).all() and 0 <= scores.min() and scores.max() <= 1


def test_a_picture_without_views_gets_the_group_s_rate():
    scores, priors = transforms.shrunk_rates([0, 3, 40], [0, 10, 100], ["a"] * 3)
    assert scores[0] == priors["a"].rate == 43 / 110


def test_bad_counts_are_named():
    with pytest.raises(ValueError, match="got 3 likes and 2 views at index 1"):
        transforms.shrunk_rates([1, 3], [2, 2], ["a", "a"])
    with pytest.raises(ValueError, match="got -1 likes"):
        transforms.shrunk_rates([-1], [2], ["a"])
    with pytest.raises(ValueError, match="got 0, expected a number of views above 0"):
        transforms.shrunk_rates([1], [2], ["a"], strength=0)


def test_percentiles_within_groups_with_ties():
    values = [10, 20, 20, 40, 5, 1]
    result = transforms.percentiles(values, ["a", "a", "a", "a", "b", "c"])
    np.testing.assert_allclose(result, [0.125, 0.5, 0.5, 0.875, 0.5, 0.5])
    assert transforms.percentiles([], []).shape == (0,)
