import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score, roc_auc_score

from lena_jax.metrics import group_correlation, pair_accuracy, pairs_to_compare, percentile_gains, ranking_metrics


def test_pair_accuracy_by_hand_with_a_predicted_tie():
    # True order 0 > 1 > 2; predicted 1 = 0, both above 2.
    assert pair_accuracy([2.0, 2.0, 1.0], np.array([[0, 1], [0, 2], [1, 2]])) == pytest.approx((0.5 + 1 + 1) / 3)
    assert pair_accuracy([2.0, 2.0, 1.0], np.array([[0, 1], [2, 0]]), np.array([3, 1])) == pytest.approx(1.5 / 4)
    assert np.isnan(pair_accuracy([1.0], np.zeros((0, 2), int)))


def test_without_ties_pair_accuracy_is_kendalls_tau_moved():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=60)
    predicted = scores + rng.normal(size=60)
    metrics = ranking_metrics(predicted, scores, resamples=200)
    assert metrics["pair_accuracy"]["value"] == pytest.approx((stats.kendalltau(predicted, scores).statistic + 1) / 2)
    assert metrics["spearman"]["value"] == pytest.approx(stats.spearmanr(predicted, scores).statistic)
    for name in ("pair_accuracy", "spearman", "kendall"):
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]
    assert (metrics["pictures"], metrics["pairs"]) == (60, 60 * 59 // 2)


def test_perfect_and_reversed_rankings():
    scores = np.arange(20.0)
    assert ranking_metrics(scores, scores, resamples=50)["pair_accuracy"] == {"value": 1, "low": 1, "high": 1}
    assert ranking_metrics(-scores, scores, resamples=50)["kendall"]["value"] == pytest.approx(-1)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    truth = 0.5 + np.arcsin(np.sqrt(0.5)) / np.pi  # Of two normals with correlation sqrt(1/2).
    covered = 0
    for _ in range(30):
        scores = rng.normal(size=50)
        interval = ranking_metrics(scores + rng.normal(size=50), scores, resamples=99)["pair_accuracy"]
        covered += interval["low"] <= truth <= interval["high"]
        assert interval["high"] - interval["low"] < 0.25
    assert covered >= 25  # 95 % of 30 is 28.5; fewer than 25 has a chance below 1 %.


def test_groups_are_compared_within_only():
    scores = np.array([1.0, 2.0, 101.0, 102.0])
    predicted = np.array([101.0, 102.0, 1.0, 2.0])  # Right within, wrong across.
    groups = np.array(["a", "a", "b", "b"])
    metrics = ranking_metrics(predicted, scores, groups, resamples=20)
    assert metrics["pairs"] == 2 and metrics["pair_accuracy"]["value"] == 1
    assert metrics["spearman"]["value"] == pytest.approx(1)
    assert group_correlation(stats.spearmanr, predicted, scores) < 0


def test_constant_predictions_are_half_right_and_uncorrelated():
    metrics = ranking_metrics(np.zeros(10), np.arange(10.0), resamples=20)
    assert metrics["pair_accuracy"]["value"] == 0.5
    assert metrics["spearman"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("pictures, size", [(4, 4), (12, 2), (120, 3)])
def test_small_sets_and_many_groups_have_intervals(pictures, size):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=pictures)
    predicted = scores + rng.normal(size=pictures)
    groups = np.arange(pictures) // size
    metrics = ranking_metrics(predicted, scores, groups, resamples=200)
    for name in ("pair_accuracy", "spearman", "kendall"):
        measure = metrics[name]
        assert measure["low"] <= measure["value"] <= measure["high"]
    within = [group_correlation(stats.kendalltau, predicted[groups == g], scores[groups == g]) for g in set(groups)]
    assert metrics["kendall"]["value"] == pytest.approx(np.mean(within))
    assert metrics["pair_accuracy"]["value"] == pytest.approx((np.mean(within) + 1) / 2)


@pytest.mark.parametrize("move", [np.exp, np.cbrt, lambda predicted: 1e-3 * predicted - 9])
def test_only_the_order_of_the_predictions_counts(move):
    rng = np.random.default_rng(5)
    scores = rng.normal(size=30)
    predicted = np.round(scores + rng.normal(size=30), 1)
    first, second = (ranking_metrics(one, scores, resamples=20) for one in (predicted, move(predicted)))
    # The AUC compares differences, which a bent scale changes.
    for name in {*first} - {"auc"}:
        assert first[name] == pytest.approx(second[name])


def test_predicted_ties_against_the_libraries():
    rng = np.random.default_rng(6)
    predicted, scores = rng.integers(0, 5, 40).astype(float), rng.integers(0, 7, 40).astype(float)
    metrics = ranking_metrics(predicted, scores, resamples=5)
    pairs = pairs_to_compare(scores)
    difference = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    assert metrics["auc"]["value"] == pytest.approx(
        roc_auc_score(np.repeat([1, 0], len(pairs)), np.concatenate([difference, -difference]))
    )
    assert metrics["spearman"]["value"] == pytest.approx(stats.spearmanr(predicted, scores).statistic)
    assert metrics["kendall"]["value"] == pytest.approx(stats.kendalltau(predicted, scores).statistic)
    assert metrics["ndcg@10"]["value"] == pytest.approx(ndcg_score([percentile_gains(scores)], [predicted], k=10))
    assert "ndcg@100" not in metrics
    # Goodman and Kruskal's gamma counts no tie; this one counts a predicted tie half.
    assert metrics["pair_accuracy"]["value"] == pytest.approx(np.mean((difference > 0) + (difference == 0) / 2))


@pytest.mark.parametrize("groups", [3, 40])
def test_ndcg_is_averaged_over_the_groups_that_are_large_enough(groups):
    rng = np.random.default_rng(7)
    group = np.concatenate([np.arange(20 * groups) % groups, [groups] * 5])
    predicted, scores = rng.normal(size=(2, len(group)))
    gains = percentile_gains(scores, group)
    expected = np.mean([ndcg_score([gains[group == g]], [predicted[group == g]], k=10) for g in range(groups)])
    interval = ranking_metrics(predicted, scores, group, resamples=20)["ndcg@10"]
    assert interval["value"] == pytest.approx(expected) and interval["low"] < interval["high"]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        ranking_metrics([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="got 1 that are not"):
        ranking_metrics([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="no two of the 2 pictures"):
        ranking_metrics([1.0, 2.0], [1.0, 1.0])
