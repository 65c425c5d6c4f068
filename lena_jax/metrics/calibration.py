"""Measure the calibration of `sigmoid(score difference)`, the predicted probability that a picture is ahead."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lena_jax.metrics.resampling import Units, bootstrap

BINS = 10


def calibration(differences: npt.ArrayLike, weight: npt.ArrayLike | None = None, bins: int = BINS) -> dict[str, Any]:
    """Computes expected calibration error, Brier score and log loss of `P(left ahead) = sigmoid(difference)`.

    Every pair counts in both orders, (P, label 1) and (1 - P, label 0), so it does not matter which picture is on the
    left. The two are mirror images, so everything can be written with the confidence `c = max(P, 1 - P)` in [1/2, 1]
    and whether the pair is in the right order (a tie, c = 1/2, counts one half):

        ECE   = sum_b n_b |accuracy_b - mean confidence_b| / sum_b n_b
        Brier = mean (1 - P(the better one ahead))^2
        log   = mean -log P(the better one ahead)

    with `bins` bins b of equal width over [1/2, 1], which mirror to twice as many over [0, 1]. Guessing has ECE 0,
    Brier 1/4 and log loss log 2.

    Args:
        differences: [p], predicted score of the picture that is ahead minus that of the other.
        weight: [p], weights of the pairs, or None.
        bins: number of bins.

    Returns:
        {"ece", "brier", "log_loss", "bins": [{"from", "to", "pairs", "confidence", "accuracy"}, ...]}; empty bins are
        left out. Without pairs, the first three are NaN.

    References: Brier, 1950; Naeini et al., AAAI 2015; Guo et al., ICML 2017.
    """
    differences = np.asarray(differences, np.float64)
    weight = np.ones(len(differences)) if weight is None else np.asarray(weight, np.float64)
    total = weight.sum()
    if not total:
        return {"ece": float("nan"), "brier": float("nan"), "log_loss": float("nan"), "bins": []}
    confidence = special.expit(np.abs(differences))
    right = (np.sign(differences) + 1) / 2
    edges = np.linspace(0.5, 1, bins + 1)
    place = np.minimum(np.searchsorted(edges, confidence, "right") - 1, bins - 1)
    pairs, sure, correct = (np.bincount(place, weight * what, bins) for what in (1, confidence, right))
    table = [
        {
            "from": float(edges[b]),
            "to": float(edges[b + 1]),
            "pairs": float(pairs[b]),
            "confidence": float(sure[b] / pairs[b]),
            "accuracy": float(correct[b] / pairs[b]),
        }
        for b in np.flatnonzero(pairs)
    ]
    return {
        "ece": float(np.abs(correct - sure).sum() / total),
        "brier": float((special.expit(-differences) ** 2 * weight).sum() / total),
        "log_loss": float((np.logaddexp(0, -differences) * weight).sum() / total),
        "bins": table,
    }


def calibration_metrics(
    predicted: npt.ArrayLike,
    pairs: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    bins: int = BINS,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Computes `calibration` of pairs, with 95 % bootstrap intervals of the Brier score and the log loss.

    Resamples are drawn as in `ranking_metrics`. The ECE has no interval: noise only increases it, so it is larger in
    nearly every resample than on the pairs themselves.

    Args:
        predicted: [n].
        pairs: [p, 2]; column 0 is the higher picture.
        groups: [n] or None.

    Returns:
        {"ece": float, "brier": {"value", "low", "high"}, "log_loss": {...}, "bins": [...]}.
    """
    predicted, pairs = np.asarray(predicted, np.float64), np.asarray(pairs)
    difference = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    pairs = np.asfortranarray(pairs)  # Columns are read thousands of times.
    units = Units.of(len(predicted), pairs, groups)
    squared, logarithmic = special.expit(-difference) ** 2, np.logaddexp(0, -difference)

    def statistic(index):
        weight = units.pair_weight(index, pairs)
        total = weight.sum() or np.nan
        return {
            name: float((value * weight).sum() / total)
            for name, value in (("brier", squared), ("log_loss", logarithmic))
        }

    whole = calibration(difference, bins=bins)
    return {"ece": whole["ece"], **bootstrap(statistic, len(units), resamples, seed), "bins": whole["bins"]}
