import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics import compare_models, compare_trainings, holm, paired_t, pairs_to_compare


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=40)
    return scores, [scores + rng.normal(size=(3, 40)) * noise for noise in (0.3, 1.5)]


def test_one_training_each_is_the_comparison_of_two_models(data):
    scores, (first, second) = data
    groups = np.repeat(["a", "b"], 20)
    ours = compare_trainings(first[:1], second[:1], scores, groups, resamples=50, flips=200)
    theirs = compare_models(first[0], second[0], scores, groups, resamples=50, flips=200)
    for measure in ("pair_accuracy", "spearman"):
        assert ours[measure] == pytest.approx(theirs[measure])
    assert {key: ours[key] for key in ("unit", "units", "pictures", "pairs")} == {
        "unit": "picture",
        "units": 40,
        "pictures": 40,
        "pairs": 380,
    }


def test_several_trainings_are_averaged(data):
    scores, (first, second) = data
    pairs = pairs_to_compare(scores)
    result = compare_trainings(first, second, scores, resamples=200, flips=500)
    means = [np.mean([[one[high] > one[low] for high, low in pairs] for one in side]) for side in (first, second)]
    accuracy = result["pair_accuracy"]
    assert (accuracy["first"], accuracy["second"]) == pytest.approx(means)
    assert accuracy["difference"] == pytest.approx(means[0] - means[1])
    assert 0 < accuracy["low"] < accuracy["difference"] < accuracy["high"] and accuracy["p_value"] < 0.05
    rho = [np.mean([stats.spearmanr(one, scores).statistic for one in side]) for side in (first, second)]
    assert result["spearman"]["difference"] == pytest.approx(rho[0] - rho[1])
    same = compare_trainings(first, first[::-1], scores, resamples=20, flips=50)["pair_accuracy"]
    assert same["difference"] == pytest.approx(0, abs=1e-12) and same["p_value"] > 0.9


def test_the_paired_t_test_over_seeds_is_students_and_over_folds_is_wider():
    differences = [0.02, 0.01, 0.04, 0.03]
    expected = stats.ttest_1samp(differences, 0)
    result = paired_t(differences)
    assert result["p_value"] == pytest.approx(expected.pvalue)
    assert (result["low"], result["high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    # Nadeau and Bengio by hand, 4 folds: t = mean / sqrt((1/4 + 1/3) var).
    t = 0.025 / np.sqrt((1 / 4 + 1 / 3) * np.var(differences, ddof=1))
    assert paired_t(differences, 1 / 3)["p_value"] == pytest.approx(2 * stats.t.sf(t, 3))
    assert paired_t([0.0, 0.0])["p_value"] == 1 and paired_t([0.5, 0.5])["p_value"] == 0
    assert paired_t([0.5]) == {"difference": 0.5, "low": None, "high": None, "p_value": None, "runs": 1}


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.04, 0.01, None, 0.03, 0.02]) == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0] and holm([]) == [] and holm([None]) == [None]
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got \[1.5\]"):
        holm([1.5])


def test_holm_keeps_the_chance_of_any_error():
    rng = np.random.default_rng(0)
    # Ten true hypotheses, dependent as tests against one baseline are.
    wrong = [
        min(holm(list(2 * stats.norm.sf(abs(rng.normal() + rng.normal(size=10)) / np.sqrt(2))))) < 0.1
        for _ in range(500)
    ]
    assert 0.02 < np.mean(wrong) < 0.13
