"""Measure how well predicted scores rank pictures: pair accuracy, AUC, rank correlations and NDCG, with intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.data.pairs import ComparablePairs
from lena_jax.metrics.discounted_gain import ndcg, percentile_gains
from lena_jax.metrics.pair_auc import pair_auc, prepare_pair_auc
from lena_jax.metrics.rank_correlation import average_defined, prepare_kendall, prepare_spearman
from lena_jax.metrics.resampling import Units, bootstrap, members_of

MOST_PAIRS = 200_000
NDCG_AT = (10, 100)
AUC_LEVELS = 2000  # Approximates the AUC of resamples. The AUC itself is exact.


def pair_accuracy(predicted: npt.ArrayLike, pairs: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Computes the share of pairs whose first picture is predicted above the second. A predicted tie counts 1/2.

    Args:
        predicted: [n], predicted scores.
        pairs: [p, 2], indices into `predicted`; column 0 is the picture with the higher true score.
        weight: [p], weights of the pairs, or None.

    Returns:
        A float in [0, 1]; NaN without pairs.

    Example:
        >>> pair_accuracy([3.0, 1.0, 2.0], np.array([[0, 1], [1, 2]]))  # One right, one wrong.
        0.5
    """
    right = pairs_right(predicted, pairs)
    total = len(right) if weight is None else np.sum(weight)
    return float(np.sum(right if weight is None else right * weight) / total) if total else float("nan")


def pairs_right(predicted: npt.ArrayLike, pairs: np.ndarray) -> np.ndarray:
    """Scores each pair: 1 if the first picture is predicted above the second, 0 if below, 1/2 for a tie."""
    predicted = np.asarray(predicted)
    return (np.sign(predicted[pairs[:, 0]] - predicted[pairs[:, 1]]) + 1) / 2


def group_correlation(
    correlation: Callable[..., Any],
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
) -> float:
    """Computes a rank correlation within each group, averaged over groups with their sizes as weights.

    Args:
        correlation: `scipy.stats.spearmanr` or `scipy.stats.kendalltau`.
        predicted, scores: [n].
        groups: [n] or None for one group.

    Returns:
        A float in [-1, 1]. Groups in which either side is constant are left out; NaN if all are.
    """
    predicted, scores = np.asarray(predicted), np.asarray(scores)
    values, sizes = _correlations(correlation, predicted, scores, members_of(groups, len(scores)))
    return average_defined(values, sizes)


def pairs_to_compare(
    scores: Sequence[float] | np.ndarray,
    groups: npt.ArrayLike | None = None,
    min_gap: float = 0.0,
    most: int = MOST_PAIRS,
    seed: int = 0,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Selects the pairs for an evaluation: all comparable ones, or `most` of them drawn with `seed`.

    Args:
        scores, groups, min_gap: see `ComparablePairs`.
        most: maximum number of pairs.
        seed: seed of the draw.
        given: [p, 2], pairs of a dataset that defines its own; they are returned as they are. Otherwise None.

    Returns:
        [p, 2] indices; column 0 has the higher score.

    Raises:
        ValueError: no two pictures are comparable.
    """
    pairs = ComparablePairs(scores, groups, min_gap).some(most, seed) if given is None else given
    if not len(pairs):
        raise ValueError(f"no two of the {len(scores)} pictures are comparable, expected at least one pair")
    return pairs


def ranking_metrics(
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    min_gap: float = 0.0,
    most_pairs: int = MOST_PAIRS,
    resamples: int = 1000,
    seed: int = 0,
    pairs: np.ndarray | None = None,
) -> dict[str, Any]:
    """Computes the measures of a ranking, each with its 95 % percentile bootstrap interval.

    The measures are pair accuracy, pair AUC (`pair_auc`), Spearman's rho, Kendall's tau-b, and NDCG@10 and NDCG@100
    (`ndcg`), if a group has more pictures than that. The bootstrap draws pictures, or whole sets of them, but never
    pairs: see `Units`. Resamples in which a measure is undefined (no pairs, or a constant side) are left out.

    Args:
        predicted, scores: [n], finite.
        groups: [n] or None. Only pictures of the same group are compared.
        min_gap: minimum score difference of a pair.
        most_pairs: maximum number of pairs, drawn with `seed`.
        resamples: number of bootstrap resamples.
        seed: seed of the bootstrap and of the draw.
        pairs: [p, 2], indices of the pairs to compare; column 0 is the higher picture. None for `pairs_to_compare`.

    Returns:
        `{"pair_accuracy": {"value", "low", "high"}, "auc": ..., "spearman": ..., "kendall": ..., "ndcg@10": ...,
        "pictures": n, "pairs": p}`. An undefined measure is None.

    Raises:
        ValueError: the lengths differ, a predicted score is not finite, or no two pictures are comparable.
    """
    predicted, scores = checked(predicted, scores)
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, min_gap, most_pairs, seed)
    pairs = np.asfortranarray(pairs)  # Columns are read thousands of times.
    units = Units.of(len(scores), pairs, groups)
    of_pairs, of_pictures = _pair_measures(predicted, pairs), _picture_measures(predicted, scores, groups, units)

    def statistic(index):
        return {**of_pairs(units.pair_weight(index, pairs)), **of_pictures(index)}

    result = bootstrap(statistic, len(units), resamples, seed)
    result["auc"]["value"] = pair_auc(predicted[pairs[:, 0]] - predicted[pairs[:, 1]])
    return {**result, "pictures": len(scores), "pairs": len(pairs)}


def checked(predicted: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Converts both to float64. Raises `ValueError` if shapes differ or a predicted score is not finite."""
    predicted, scores = np.asarray(predicted, np.float64), np.asarray(scores, np.float64)
    if predicted.shape != scores.shape:
        raise ValueError(f"predicted and scores must have the same shape, got {predicted.shape} and {scores.shape}")
    if not np.isfinite(predicted).all():
        raise ValueError(f"predicted scores must be finite, got {int((~np.isfinite(predicted)).sum())} that are not")
    return predicted, scores


def _pair_measures(predicted, pairs):
    """Returns the measures of weighted pairs as a function of the weights. Does the rest of the work once."""
    right = pairs_right(predicted, pairs)
    auc = prepare_pair_auc(predicted[pairs[:, 0]] - predicted[pairs[:, 1]], AUC_LEVELS)

    def measures(weight):
        total = weight.sum()
        return {"pair_accuracy": float((right * weight).sum() / total) if total else np.nan, "auc": auc(weight)}

    return measures


def _picture_measures(predicted, scores, groups, units):
    """Returns the measures of drawn units as a function of their indices."""
    gains = percentile_gains(scores, groups)
    members = members_of(groups, len(scores))
    at = [k for k in NDCG_AT if max(map(len, members)) > k]
    if units.kind == "group":
        # The contribution of a group does not depend on the other drawn groups: compute it once.
        correlations = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}
        each = {
            name: _correlations(correlation, predicted, scores, members) for name, correlation in correlations.items()
        }
        each |= {f"ndcg@{k}": _gains_at(k, predicted, gains, members) for k in at}
        return lambda index: {
            name: average_defined(values[index], sizes[index]) for name, (values, sizes) in each.items()
        }
    groups = None if groups is None else np.asarray(groups)
    prepared = {
        "spearman": prepare_spearman(predicted, scores, groups),
        "kendall": prepare_kendall(predicted, scores, groups),
    }

    def measures(index):
        times = units.times(index)
        values = {name: correlation(times) for name, correlation in prepared.items()}
        if at:
            index = units.pictures(index)
            drawn = members_of(None if groups is None else groups[index], len(index))
            values |= {f"ndcg@{k}": average_defined(*_gains_at(k, predicted[index], gains[index], drawn)) for k in at}
        return values

    return measures


def _correlations(correlation, predicted, scores, members):
    """Computes each group's correlation (NaN if undefined) and its number of pictures."""
    values = [
        correlation(predicted[index], scores[index]).statistic
        if len(index) > 1 and np.ptp(predicted[index]) > 0 and np.ptp(scores[index]) > 0
        else np.nan
        for index in members
    ]
    return np.array(values), np.array([len(index) for index in members])


def _gains_at(k, predicted, gains, members):
    """Computes each group's NDCG@k (NaN if it has at most k pictures) and its number of pictures."""
    values = [ndcg(predicted[index], gains[index], k) if len(index) > k else np.nan for index in members]
    return np.array(values), np.array([len(index) for index in members])
