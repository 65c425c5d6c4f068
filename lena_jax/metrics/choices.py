"""Measure predicted scores against what people said about pairs: soft labels, how far people agree, and a reference."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lena_jax.data import bradley_terry
from lena_jax.data.judged_pairs import JudgedPairs
from lena_jax.metrics.calibration import BINS
from lena_jax.metrics.resampling import Interval, Units, bootstrap


def agreement(votes: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Computes how often two people agree on a pair: two different votes of one pair, drawn at random.

    With a and b votes for the two sides, n = a + b, it is the mean over pairs with n >= 2 of

        (a (a - 1) + b (b - 1)) / (n (n - 1)),

    the split-half agreement with one vote in each half. Its expectation is p^2 + (1 - p)^2, where p is the share of
    people who would choose the first picture.

    Args:
        votes: [p, 2]; NaN where there are none. Halves of a tie count as half a vote for each side,
            which understates the agreement where ties are frequent.
        weight: [p], how often each pair counts, or None.

    Returns:
        A float in [0, 1]; NaN if no pair has two votes.

    Example:
        >>> agreement([[2, 0], [1, 1], [1, 0], [3, 1]])  # Always, never, unknown, half of the time.
        0.5
    """
    each, known = _agreements(votes)
    total = known if weight is None else known * np.asarray(weight, float)
    return float((each * total).sum() / total.sum()) if total.any() else float("nan")


def ceiling(agreement: float) -> float:
    """Computes how often the best possible ranker agrees with one person's choice, at most.

    With the agreement A of two people on average, `(1 + sqrt(2 A - 1)) / 2`, which is exact if people are equally
    divided over every pair, and an upper bound otherwise. 1/2 where people agree no more than by chance.

    Example:
        >>> ceiling(1.0), ceiling(0.5), round(ceiling(0.68), 2)
        (1.0, 0.5, 0.8)
    """
    return float((1 + np.sqrt(max(2 * agreement - 1, 0))) / 2) if agreement == agreement else float("nan")


def soft_calibration(
    differences: npt.ArrayLike, label: npt.ArrayLike, weight: npt.ArrayLike, bins: int = BINS
) -> tuple[float, list[dict[str, float]]]:
    """Compares `sigmoid(difference)` with soft labels, in bins of the predicted probability of the likelier picture.

    Args:
        differences: [p], predicted score of the first picture minus that of the second.
        label: [p] in [0, 1], chance that the first is better.
        weight: [p].
        bins: number of bins of equal width over [1/2, 1].

    Returns:
        (expected calibration error, [{"from", "to", "weight", "confidence", "label"}, ...] without empty bins).
    """
    differences, label, weight = (np.asarray(one, float) for one in (differences, label, weight))
    confidence = special.expit(np.abs(differences))
    agreed = np.where(differences >= 0, label, 1 - label)
    edges = np.linspace(0.5, 1, bins + 1)
    place = np.minimum(np.searchsorted(edges, confidence, "right") - 1, bins - 1)
    total, sure, said = (np.bincount(place, weight * what, bins) for what in (1, confidence, agreed))
    error = np.abs(said - sure).sum() / total.sum() if total.any() else float("nan")
    return float(error), [
        {
            "from": float(edges[b]),
            "to": float(edges[b + 1]),
            "weight": float(total[b]),
            "confidence": float(sure[b] / total[b]),
            "label": float(said[b] / total[b]),
        }
        for b in np.flatnonzero(total)
    ]


def choice_metrics(
    predicted: npt.ArrayLike,
    pairs: np.ndarray,
    judged: JudgedPairs,
    groups: npt.ArrayLike | None = None,
    reference: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Computes what stands beside the accuracy of pairs that people judged, with 95 % bootstrap intervals.

    Args:
        predicted: [n] scores.
        pairs: [p, 2]; column 0 is the picture that the label puts higher.
        judged: their labels, weights and votes.
        groups: [n] or None; resamples are drawn as in `ranking_metrics`.
        reference: [p] differences of strengths that know other votes about the pictures, or None.
        resamples, seed: of the bootstrap.

    Returns:
        - "soft_log_loss": weighted mean of `-q log P - (1 - q) log(1 - P)`, in nats, of the labels q. Guessing has
          log 2.
        - "entropy": its least possible value, the entropy of the labels.
        - "soft_ece", "soft_bins": see `soft_calibration`.
        - "label_ceiling": mean label of the decided pairs, which is the expected accuracy of a ranker that is always
          right, if the labels' prior holds.
        - "bradley_terry": accuracy of the reference on the decided pairs.
        - "random_pairs": accuracy on the decided pairs that were drawn at random, where others were not.
        - "ties": pairs with a label of 1/2, which count for no accuracy.
        Undefined values are None.
    """
    predicted, pairs = np.asarray(predicted, float), np.asfortranarray(pairs)
    difference = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    units = Units.of(len(predicted), pairs, groups)
    loss = np.logaddexp(0, difference) - judged.label * difference
    decided = judged.label > 0.5
    measures = {"soft_log_loss": (loss, judged.weight)}
    if reference is not None:
        measures["bradley_terry"] = ((np.sign(reference) + 1) / 2, decided.astype(float))
    if judged.random is not None and not judged.random.all():
        measures["random_pairs"] = ((np.sign(difference) + 1) / 2, decided & judged.random)
    result: dict[str, Any] = _means(measures, units, pairs, resamples, seed)
    error, bins = soft_calibration(difference, judged.label, judged.weight)
    total = judged.weight.sum()
    entropy = (special.entr(judged.label) + special.entr(1 - judged.label)) * judged.weight
    return {
        **result,
        "entropy": _number(entropy.sum() / total if total else np.nan),
        "soft_ece": _number(error),
        "soft_bins": bins,
        "label_ceiling": _number(judged.label[decided].mean() if decided.any() else np.nan),
        "ties": int((~decided).sum()),
    }


def people_metrics(count: int, pairs: np.ndarray, votes: np.ndarray, resamples: int = 1000, seed: int = 0) -> dict:
    """Computes how well people agree with each other, which bounds what any ranker can reach.

    Args:
        count: number of pictures.
        pairs: [p, 2] indices of pictures; all pairs that people saw, measured or not.
        votes: [p, 2].
        resamples, seed: of the bootstrap.

    Returns:
        {"agreement": interval of `agreement`, "ceiling": that of `ceiling`, "two_votes": number of pairs behind them}.
    """
    each, known = _agreements(votes)
    pairs = np.asfortranarray(pairs)
    found = _means({"agreement": (each, known)}, Units.of(count, pairs), pairs, resamples, seed)
    bounds = {key: None if value is None else ceiling(value) for key, value in found["agreement"].items()}
    return {**found, "ceiling": bounds, "two_votes": int(known.sum())}


def reference_of(count: int, pairs: np.ndarray, judged: JudgedPairs) -> np.ndarray | None:
    """Predicts pairs by the Bradley-Terry model from votes about other pairs, without pixels (`held_out`).

    Returns:
        [p] differences of strengths; None where pictures hardly recur, so that other pairs say nothing, or where there
        are too many pictures or votes for fitting the model in every fold.
    """
    if len(pairs) < 2 * count:
        return None
    votes = np.where(np.isnan(judged.votes), np.stack([judged.label, 1 - judged.label], 1), judged.votes)
    if count > bradley_terry.MOST_PICTURES or votes.sum() > bradley_terry.MOST_VOTES / 4:
        return None
    return bradley_terry.held_out(count, pairs, votes)


def _agreements(votes):
    votes = np.asarray(votes, float)
    total = votes.sum(1)
    known = total >= 2
    each = np.zeros(len(votes))
    a, b, n = votes[known, 0], votes[known, 1], total[known]
    # Half a vote on both sides can go below 0 for a lone tie beside a vote.
    each[known] = np.clip((a * (a - 1) + b * (b - 1)) / (n * (n - 1)), 0, 1)
    return each, known.astype(float)


def _means(
    measures: dict[str, tuple[np.ndarray, np.ndarray]], units: Units, pairs: np.ndarray, resamples: int, seed: int
) -> dict[str, Interval]:
    """Bootstraps weighted means over pairs: measures are {name: (values [p], weights [p])}."""

    def statistic(index: np.ndarray) -> dict[str, float]:
        drawn = units.pair_weight(index, pairs)
        found = {}
        for name, (value, weight) in measures.items():
            total = (weight * drawn).sum()
            found[name] = float((value * weight * drawn).sum() / total) if total else float("nan")
        return found

    return bootstrap(statistic, len(units), resamples, seed)


def _number(value):
    return float(value) if np.isfinite(value) else None
