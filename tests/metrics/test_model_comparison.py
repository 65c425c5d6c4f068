import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics import compare_models, ranking_metrics


def models(rng, count, better=0.0):
    """True scores and two predictions of them, the first with the smaller error."""
    scores = rng.normal(size=count)
    return scores, scores + (1 - better) * rng.normal(size=count), scores + rng.normal(size=count)


def test_a_model_against_itself_and_on_another_scale():
    scores, first, _ = models(np.random.default_rng(0), 40)
    for second in (first, 3 * first - 7):
        result = compare_models(first, second, scores, resamples=30, flips=99)
        for name in ("pair_accuracy", "spearman"):
            assert result[name]["difference"] == result[name]["low"] == result[name]["high"] == 0
            assert result[name]["p_value"] == 1


def test_values_are_those_of_each_model_and_swapping_changes_the_sign():
    scores, first, second = models(np.random.default_rng(1), 60, better=0.3)
    result = compare_models(first, second, scores, resamples=60, flips=999)
    swapped = compare_models(second, first, scores, resamples=60, flips=999)
    for name in ("pair_accuracy", "spearman"):
        values = [ranking_metrics(one, scores, resamples=1)[name]["value"] for one in (first, second)]
        assert [result[name]["first"], result[name]["second"]] == pytest.approx(values)
        assert result[name]["difference"] == pytest.approx(values[0] - values[1])
        assert swapped[name]["low"] == pytest.approx(-result[name]["high"])
        assert swapped[name]["p_value"] == pytest.approx(result[name]["p_value"])
    assert (result["unit"], result["units"], result["pictures"], result["pairs"]) == ("picture", 60, 60, 1770)


def test_a_clear_difference_is_found_although_the_models_own_intervals_overlap():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=150)
    hard = rng.normal(size=150)  # What both find hard drops out.
    first, second = (scores + hard + size * rng.normal(size=150) for size in (0.2, 1.0))
    result = compare_models(first, second, scores, resamples=200, flips=999)
    own = [ranking_metrics(one, scores, resamples=200)["pair_accuracy"] for one in (first, second)]
    assert own[0]["low"] < own[1]["high"]
    for name in ("pair_accuracy", "spearman"):
        assert result[name]["low"] > 0 and result[name]["p_value"] < 0.03


def test_p_is_about_uniform_and_the_interval_covers_when_both_are_equally_good():
    """If pairs were treated as independent, nearly every comparison would be significant."""
    rng = np.random.default_rng(3)
    results = [
        compare_models(first, second, scores, resamples=60, flips=199, seed=number)
        for number in range(60)
        for scores, first, second in [models(rng, 30)]
    ]
    for name in ("pair_accuracy", "spearman"):
        p = np.array([result[name]["p_value"] for result in results])
        assert stats.kstest(p, "uniform").pvalue > 0.02
        assert (p < 0.05).mean() < 0.13
        # With 60 resamples of 30 pictures about 92 %, 55 of 60; below 48 has a chance below 1 %.
        assert sum(result[name]["low"] <= 0 <= result[name]["high"] for result in results) >= 48


def test_groups_and_separate_pairs_are_the_units_where_there_are_many():
    rng = np.random.default_rng(4)
    scores, first, second = models(rng, 90, better=0.6)
    result = compare_models(first, second, scores, groups=np.arange(90) // 3, resamples=50, flips=99)
    assert (result["unit"], result["units"], result["pairs"]) == ("group", 30, 90)
    pairs = np.argsort(-scores.reshape(-1, 2), axis=1) + 2 * np.arange(45)[:, None]
    result = compare_models(first, second, scores, pairs=pairs, resamples=50, flips=999)
    assert (result["unit"], result["units"]) == ("set", 45)
    # On separate pairs the test is the sign test of the pairs that exactly one model has right.
    right = np.stack([one[pairs[:, 0]] > one[pairs[:, 1]] for one in (first, second)])
    only = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    assert result["pair_accuracy"]["p_value"] == pytest.approx(stats.binomtest(*only[:1], sum(only)).pvalue, abs=0.04)


def test_a_constant_model_has_no_correlation():
    result = compare_models(np.zeros(8), np.arange(8.0), np.arange(8.0), resamples=20, flips=9)
    assert result["pair_accuracy"]["difference"] == -0.5
    assert result["spearman"]["first"] is None and result["spearman"]["p_value"] is None
    with pytest.raises(ValueError, match="got 1 that are not"):
        compare_models(np.arange(3.0), [1.0, np.nan, 2.0], np.arange(3.0))
