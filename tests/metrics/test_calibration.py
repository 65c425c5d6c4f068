import numpy as np
import pytest
from scipy import special
from sklearn.metrics import brier_score_loss, log_loss

from lena_jax.metrics import calibration, calibration_metrics, pairs_to_compare


def test_by_hand():
    # Two pairs at P = 0.75, one of them wrong, and a tie.
    sure = np.log(3)
    result = calibration(np.array([sure, -sure, 0.0]), bins=2)
    assert result["bins"] == [
        {"from": 0.5, "to": 0.75, "pairs": 1, "confidence": 0.5, "accuracy": 0.5},
        {"from": 0.75, "to": 1, "pairs": 2, "confidence": pytest.approx(0.75), "accuracy": 0.5},
    ]
    assert result["ece"] == pytest.approx(2 / 3 * 0.25)
    assert result["brier"] == pytest.approx((0.25**2 + 0.75**2 + 0.5**2) / 3)
    assert result["log_loss"] == pytest.approx(-np.log([0.75, 0.25, 0.5]).mean())


def test_guessing_and_certainty():
    assert calibration(np.zeros(5)) == {
        "ece": 0,
        "brier": 0.25,
        "log_loss": pytest.approx(np.log(2)),
        "bins": [{"from": 0.5, "to": 0.55, "pairs": 5, "confidence": 0.5, "accuracy": 0.5}],
    }
    huge = calibration(np.array([1e30, 1e30, -1e30, -1e30]))
    assert huge["ece"] == 0.5 and huge["brier"] == 0.5 and np.isfinite(huge["log_loss"])
    assert np.isnan(calibration(np.zeros(0))["ece"]) and np.isnan(calibration(np.ones(1), np.zeros(1))["brier"])


def test_every_pair_in_both_orders_is_what_scikit_learn_sees():
    rng = np.random.default_rng(0)
    difference, weight = rng.normal(0.7, 1.5, 500), rng.integers(1, 4, 500)
    chance = special.expit(np.concatenate([difference, -difference]))
    label, weights = np.repeat([1, 0], 500), np.tile(weight, 2)
    result = calibration(difference, weight)
    assert result["brier"] == pytest.approx(brier_score_loss(label, chance, sample_weight=weights))
    assert result["log_loss"] == pytest.approx(log_loss(label, chance, sample_weight=weights))
    bins = np.minimum((chance * 20).astype(int), 19)  # Twice as many over [0, 1].
    expected = sum(abs(np.sum((label - chance)[bins == b] * weights[bins == b])) for b in range(20)) / weights.sum()
    assert result["ece"] == pytest.approx(expected)
    # Swapped sides: every probability and every label turns over.
    assert sum(part["pairs"] for part in result["bins"]) == weight.sum()


def test_a_calibrated_model_is_found_calibrated_and_a_sharpened_one_not():
    rng = np.random.default_rng(1)
    size = np.abs(rng.normal(0, 2, 20_000))
    difference = np.where(rng.uniform(size=20_000) < special.expit(size), size, -size)
    assert calibration(difference)["ece"] < 0.02
    assert calibration(3 * difference)["ece"] > 0.08
    assert calibration(3 * difference)["brier"] > calibration(difference)["brier"]


def test_intervals_hold_the_values():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=40)
    metrics = calibration_metrics(scores + rng.normal(size=40), pairs_to_compare(scores), resamples=100)
    for name in ("brier", "log_loss"):
        assert metrics[name]["low"] < metrics[name]["value"] < metrics[name]["high"]
    assert 0 <= metrics["ece"] <= 1 and metrics["bins"]
