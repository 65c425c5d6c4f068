"""How well predicted scores order pictures: pair accuracy and rank correlations, with bootstrap intervals."""

import warnings

import numpy as np
from scipy import stats

from lena_jax.pairs import ComparablePairs

MOST_PAIRS = 200_000
CLUSTERS = 30  # Groups from which on whole groups are resampled.


def pair_accuracy(predicted, pairs, weight=None):
    """Share of pairs whose first picture is predicted above the second; a predicted tie counts one half.

    Args:
        predicted: [n] predicted scores.
        pairs: [p, 2] indices into `predicted`; column 0 is the picture with the higher true score.
        weight: [p] or None.

    Returns:
        A float in [0, 1]; NaN without a pair.
    """
    predicted = np.asarray(predicted)
    right = (np.sign(predicted[pairs[:, 0]] - predicted[pairs[:, 1]]) + 1) / 2
    total = len(right) if weight is None else np.sum(weight)
    return float(np.sum(right if weight is None else right * weight) / total) if total else float("nan")


def group_correlation(correlation, predicted, scores, groups=None):
    """A rank correlation within each group, averaged with the groups' numbers of pictures as weights.

    Args:
        correlation: `scipy.stats.spearmanr` or `scipy.stats.kendalltau`.
        predicted, scores: [n].
        groups: [n] or None for one group.

    Returns:
        A float in [-1, 1]; groups in which either side is constant are left out, NaN if all are.
    """
    values, sizes = _correlations(correlation, np.asarray(predicted), np.asarray(scores), _members(groups, len(scores)))
    return _average(values, sizes)


def pairs_to_compare(scores, groups=None, min_gap=0.0, most=MOST_PAIRS, seed=0, given=None):
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


def ranking_metrics(predicted, scores, groups=None, min_gap=0.0, most_pairs=MOST_PAIRS, resamples=1000, seed=0,
                    pairs=None):
    """Pair accuracy, Spearman's rho and Kendall's tau-b, each with its 95 % percentile bootstrap interval.

    The bootstrap resamples pictures, not pairs: pairs that share a picture are not independent. With `CLUSTERS` groups
    or more it resamples whole groups. Resamples in which a measure is not defined (no pair, a constant side) are left
    out.

    Args:
        predicted, scores: [n] finite.
        groups: [n] or None: only pictures of one group are compared.
        min_gap: least score difference of a pair.
        most_pairs: where more pairs are comparable, this many of them, drawn with `seed`.
        resamples: bootstrap resamples.
        seed: of the bootstrap and of the draw.
        pairs: [p, 2] indices of the pairs to compare, column 0 the higher; None for `pairs_to_compare`.

    Returns:
        `{"pair_accuracy": {"value", "low", "high"}, "spearman": ..., "kendall": ..., "pictures": n, "pairs": p}`; a
        measure that is not defined at all is None.

    Raises:
        ValueError: if lengths differ, a predicted score is not finite or no two pictures are comparable.
    """
    predicted, scores = np.asarray(predicted, np.float64), np.asarray(scores, np.float64)
    if predicted.shape != scores.shape:
        raise ValueError(f"predicted and scores must have one shape, got {predicted.shape} and {scores.shape}")
    if not np.isfinite(predicted).all():
        raise ValueError(f"predicted scores must be finite, got {int((~np.isfinite(predicted)).sum())} that are not")
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, min_gap, most_pairs, seed)

    members = _members(groups, len(scores))
    if len(members) >= CLUSTERS:
        units, statistics = len(members), _cluster_statistics(predicted, scores, pairs, members)
    else:
        units, statistics = len(scores), _picture_statistics(predicted, scores, pairs, groups)
    result = {}
    for name, statistic in statistics.items():
        with warnings.catch_warnings():
            # Intervals are read off the distribution below, which may hold one value only, or NaN.
            warnings.simplefilter("ignore", (stats.DegenerateDataWarning, RuntimeWarning))
            drawn = stats.bootstrap((np.arange(units),), statistic, vectorized=False, n_resamples=resamples, batch=64,
                                    method="percentile", rng=np.random.default_rng(seed)).bootstrap_distribution
        defined = drawn[~np.isnan(drawn)]
        low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
        result[name] = {key: None if np.isnan(value) else float(value) for key, value in
                        (("value", statistic(np.arange(units))), ("low", low), ("high", high))}
    return {**result, "pictures": len(scores), "pairs": len(pairs)}


def _picture_statistics(predicted, scores, pairs, groups):
    """Measures of a resample of pictures, each a function of their indices."""
    def accuracy(index):
        # A pair counts as often as both its pictures were drawn; a picture against its own copy is no pair.
        times = np.bincount(index, minlength=len(scores))
        return pair_accuracy(predicted, pairs, times[pairs[:, 0]] * times[pairs[:, 1]])

    def rank(correlation):
        return lambda index: group_correlation(correlation, predicted[index], scores[index],
                                               None if groups is None else np.asarray(groups)[index])

    return {"pair_accuracy": accuracy, "spearman": rank(stats.spearmanr), "kendall": rank(stats.kendalltau)}


def _cluster_statistics(predicted, scores, pairs, members):
    """Measures of a resample of groups, each a function of the groups' numbers; a group's own are computed once."""
    group = np.empty(len(scores), np.int64)
    for number, indices in enumerate(members):
        group[indices] = number
    right = (np.sign(predicted[pairs[:, 0]] - predicted[pairs[:, 1]]) + 1) / 2
    rights = np.bincount(group[pairs[:, 0]], right, len(members))
    totals = np.bincount(group[pairs[:, 0]], minlength=len(members))

    def accuracy(index):
        return rights[index].sum() / totals[index].sum() if totals[index].any() else np.nan

    def rank(correlation):
        values, sizes = _correlations(correlation, predicted, scores, members)
        return lambda index: _average(values[index], sizes[index])

    return {"pair_accuracy": accuracy, "spearman": rank(stats.spearmanr), "kendall": rank(stats.kendalltau)}


def _members(groups, count):
    """The indices of each group's pictures."""
    if groups is None:
        return [np.arange(count)]
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])


def _correlations(correlation, predicted, scores, members):
    """Each group's correlation, NaN where it is not defined, and its number of pictures."""
    values = [correlation(predicted[index], scores[index]).statistic
              if len(index) > 1 and np.ptp(predicted[index]) > 0 and np.ptp(scores[index]) > 0 else np.nan
              for index in members]
    return np.array(values), np.array([len(index) for index in members])


def _average(values, sizes):
    defined = ~np.isnan(values)
    return float(np.average(values[defined], weights=sizes[defined])) if defined.any() else float("nan")


def mask_energy(contribution, mask):
    """Share of a map's positive energy that falls inside a mask, against the mask's share of the area.

    Args:
        contribution: [H, W] signed map.
        mask: [H, W] boolean.

    Returns:
        (inside, area): `inside = sum(max(contribution, 0) * mask) / sum(max(contribution, 0))`, NaN where the
        map has no positive cell, and `area = mean(mask)`.

    Raises:
        ValueError: if the shapes differ.
    """
    contribution, mask = np.asarray(contribution), np.asarray(mask, bool)
    if contribution.shape != mask.shape:
        raise ValueError(f"map and mask must have one shape, got {contribution.shape} and {mask.shape}")
    positive = np.maximum(contribution, 0)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else float("nan"), float(mask.mean())
