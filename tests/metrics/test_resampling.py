import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics import CLUSTERS, Units, bootstrap, pair_accuracy, ranking_metrics
from lena_jax.metrics.resampling import weighted_bootstrap


def test_bootstrap_is_scipys():
    values = np.random.default_rng(0).gamma(2, size=25)
    ours = bootstrap(lambda index: {"mean": values[index].mean(), "median": np.median(values[index])}, 25, 400, 7)
    for name, statistic in (("mean", np.mean), ("median", np.median)):
        theirs = stats.bootstrap(
            (values,), statistic, n_resamples=400, method="percentile", vectorized=False, rng=np.random.default_rng(7)
        ).confidence_interval
        assert ours[name] == pytest.approx({"value": statistic(values), "low": theirs.low, "high": theirs.high})


def test_weights_and_indices_say_the_same():
    values = np.random.default_rng(1).normal(size=80)
    by_index = bootstrap(lambda index: {"mean": values[index].mean()}, 80, 4000)["mean"]
    by_weight = weighted_bootstrap(lambda weight: weight @ values / 80, 80, 4000)
    assert by_weight == pytest.approx(by_index, abs=0.02)


def test_undefined_resamples_are_left_out():
    result = bootstrap(lambda index: {"a": 1.0 if 0 in index else np.nan, "b": np.nan}, 3, 50)
    assert result == {"a": {"value": 1, "low": 1, "high": 1}, "b": dict.fromkeys(("value", "low", "high"))}


def test_which_units():
    assert Units.of(5, [[0, 1], [2, 1]]).kind == "picture"
    groups = np.arange(2 * CLUSTERS) // 2
    pairs = np.arange(2 * CLUSTERS).reshape(-1, 2)
    assert Units.of(2 * CLUSTERS, pairs, groups).kind == "group"
    # Pairs that share no picture are independent of each other, without groups too.
    units = Units.of(2 * CLUSTERS, pairs)
    assert units.kind == "set" and len(units) == CLUSTERS
    np.testing.assert_array_equal(units.pictures([3, 3]), [6, 7, 6, 7])
    np.testing.assert_array_equal(units.pair_weight([3, 3, 0], pairs), [1, 0, 0, 2] + [0] * (CLUSTERS - 4))
    # Pictures that no pair holds do not make one large set many.
    joined = np.array([[0, other] for other in range(1, 2 * CLUSTERS)])
    assert Units.of(4 * CLUSTERS, joined).kind == "picture"


def test_a_pair_of_two_drawn_pictures_counts_the_product():
    np.testing.assert_array_equal(
        Units.of(3, [[0, 1], [1, 2]]).pair_weight([0, 0, 1], np.array([[0, 1], [1, 2]])), [2, 0]
    )


def test_separate_pairs_have_the_binomial_interval():
    """The 489 test pairs of UIV are of this kind; drawn as single pictures, they have twice the interval."""
    pairs = np.arange(800).reshape(-1, 2)
    scores = np.tile([1.0, 0.0], 400)
    predicted = np.where(np.arange(800) < 560, scores, 1 - scores)  # 70 % right.
    interval = ranking_metrics(predicted, scores, pairs=pairs, resamples=400)["pair_accuracy"]
    assert interval["value"] == pair_accuracy(predicted, pairs) == 0.7
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert interval["high"] - interval["low"] == pytest.approx(2 * half, rel=0.15)
