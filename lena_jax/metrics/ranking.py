"""How well predicted scores order pictures: pair accuracy, AUC, rank correlations and NDCG, with intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.data.pairs import ComparablePairs
from lena_jax.metrics.discounted_gain import ndcg, percentile_gains
from lena_jax.metrics.pair_auc import pair_auc, prepare_pair_auc
from lena_jax.metrics.resampling import Units, bootstrap, members_of

MOST_PAIRS = 200_000
NDCG_AT = (10, 100)
AUC_LEVELS = 2000  # Of the intervals' resamples; the area itself is exact.


def pair_accuracy(predicted: npt.ArrayLike, pairs: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Share of pairs whose first picture is predicted above the second; a predicted tie counts one half.

    Args:
        predicted: [n] predicted scores.
        pairs: [p, 2] indices into `predicted`; column 0 is the picture with the higher true score.
        weight: [p] or None.

    Returns:
        A float in [0, 1]; NaN without a pair.

    Example:
        >>> pair_accuracy([3.0, 1.0, 2.0], np.array([[0, 1], [1, 2]]))  # One right, one wrong.
        0.5
    """
    right = pairs_right(predicted, pairs)
    total = len(right) if weight is None else np.sum(weight)
    return float(np.sum(right if weight is None else right * weight) / total) if total else float("nan")


def pairs_right(predicted: npt.ArrayLike, pairs: np.ndarray) -> np.ndarray:
    """[p] of 1 where the first picture is predicted above the second, 0 where below, 1/2 for a tie."""
    predicted = np.asarray(predicted)
    return (np.sign(predicted[pairs[:, 0]] - predicted[pairs[:, 1]]) + 1) / 2


def group_correlation(
    correlation: Callable[..., Any],
    predicted: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
) -> float:
    """A rank correlation within each group, averaged with the groups' numbers of pictures as weights.

    Args:
        correlation: `scipy.stats.spearmanr` or `scipy.stats.kendalltau`.
        predicted, scores: [n].
        groups: [n] or None for one group.

    Returns:
        A float in [-1, 1]; groups in which either side is constant are left out, NaN if all are.
    """
    predicted, scores = np.asarray(predicted), np.asarray(scores)
    values, sizes = _correlations(correlation, predicted, scores, members_of(groups, len(scores)))
    return _average(values, sizes)


def pairs_to_compare(
    scores: Sequence[float] | np.ndarray,
    groups: npt.ArrayLike | None = None,
    min_gap: float = 0.0,
    most: int = MOST_PAIRS,
    seed: int = 0,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """The pairs that an evaluation compares: all comparable ones, or `most` of them drawn with `seed`.

    Args:
        scores, groups, min_gap: see `ComparablePairs`.
        most: where more pairs are comparable, so many of them.
        seed: of that draw.
        given: [p, 2] where the data set gives the pairs itself, which are then all of them; or None.

    Returns:
        [p, 2] indices; column 0 has the higher score.

    Raises:
        ValueError: if no two pictures are comparable.
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
    """Measures of the order, each with its 95 % percentile bootstrap interval.

    Pair accuracy, pair AUC (`pair_auc`), Spearman's rho, Kendall's tau-b, and NDCG@10 and @100 (`ndcg`) where a group
    has more pictures than that. The bootstrap draws pictures, or whole sets of them, and never pairs: see `Units`.
    Resamples in which a measure is not defined (no pair, a constant side) are left out.

    Args:
        predicted, scores: [n] finite.
        groups: [n] or None: only pictures of one group are compared.
        min_gap: least score difference of a pair.
        most_pairs: where more pairs are comparable, this many of them, drawn with `seed`.
        resamples: bootstrap resamples.
        seed: of the bootstrap and of the draw.
        pairs: [p, 2] indices of the pairs to compare, column 0 the higher; None for `pairs_to_compare`.

    Returns:
        `{"pair_accuracy": {"value", "low", "high"}, "auc": ..., "spearman": ..., "kendall": ..., "ndcg@10": ...,
        "pictures": n, "pairs": p}`; a measure that is not defined at all is None.

    Raises:
        ValueError: if lengths differ, a predicted score is not finite or no two pictures are comparable.
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
    """Both as float64; ValueError unless of one shape and, the predicted ones, finite."""
    predicted, scores = np.asarray(predicted, np.float64), np.asarray(scores, np.float64)
    if predicted.shape != scores.shape:
        raise ValueError(f"predicted and scores must have one shape, got {predicted.shape} and {scores.shape}")
    if not np.isfinite(predicted).all():
        raise ValueError(f"predicted scores must be finite, got {int((~np.isfinite(predicted)).sum())} that are not")
    return predicted, scores


def _pair_measures(predicted, pairs):
    """Measures of weighted pairs, as a function of the weights; what does not depend on them is done once."""
    right = pairs_right(predicted, pairs)
    auc = prepare_pair_auc(predicted[pairs[:, 0]] - predicted[pairs[:, 1]], AUC_LEVELS)

    def measures(weight):
        total = weight.sum()
        return {"pair_accuracy": float((right * weight).sum() / total) if total else np.nan, "auc": auc(weight)}

    return measures


def _picture_measures(predicted, scores, groups, units):
    """Measures of drawn units, as a function of their indices."""
    gains = percentile_gains(scores, groups)
    members = members_of(groups, len(scores))
    at = [k for k in NDCG_AT if max(map(len, members)) > k]
    correlations = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}
    if units.kind == "group":
        # What a group contributes does not depend on what else was drawn: computed once.
        each = {
            name: _correlations(correlation, predicted, scores, members) for name, correlation in correlations.items()
        }
        each |= {f"ndcg@{k}": _gains_at(k, predicted, gains, members) for k in at}
        return lambda index: {name: _average(values[index], sizes[index]) for name, (values, sizes) in each.items()}
    groups = None if groups is None else np.asarray(groups)

    def measures(index):
        index = units.pictures(index)
        drawn = members_of(None if groups is None else groups[index], len(index))
        return {
            **{
                name: _average(*_correlations(correlation, predicted[index], scores[index], drawn))
                for name, correlation in correlations.items()
            },
            **{f"ndcg@{k}": _average(*_gains_at(k, predicted[index], gains[index], drawn)) for k in at},
        }

    return measures


def _correlations(correlation, predicted, scores, members):
    """Each group's correlation, NaN where it is not defined, and its number of pictures."""
    values = [
        correlation(predicted[index], scores[index]).statistic
        if len(index) > 1 and np.ptp(predicted[index]) > 0 and np.ptp(scores[index]) > 0
        else np.nan
        for index in members
    ]
    return np.array(values), np.array([len(index) for index in members])


def _gains_at(k, predicted, gains, members):
    """Each group's NDCG@k, NaN where it has no more than k pictures, and its number of pictures."""
    values = [ndcg(predicted[index], gains[index], k) if len(index) > k else np.nan for index in members]
    return np.array(values), np.array([len(index) for index in members])


def _average(values, sizes):
    defined = ~np.isnan(values)
    return float(np.average(values[defined], weights=sizes[defined])) if defined.any() else float("nan")
