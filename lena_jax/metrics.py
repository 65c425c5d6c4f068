"""How well predicted scores order pictures: pair accuracy and rank correlations, with bootstrap intervals."""

import warnings

import numpy as np
from scipy import stats

from lena_jax.pairs import ComparablePairs

MOST_PAIRS = 200_000


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
    predicted, scores = np.asarray(predicted), np.asarray(scores)
    groups = np.zeros(len(scores)) if groups is None else np.asarray(groups)
    values, sizes = [], []
    for group in np.unique(groups):
        p, s = predicted[groups == group], scores[groups == group]
        if len(p) > 1 and np.ptp(p) > 0 and np.ptp(s) > 0:
            values.append(correlation(p, s).statistic)
            sizes.append(len(p))
    return float(np.average(values, weights=sizes)) if values else float("nan")


def pairs_to_compare(scores, groups=None, min_gap=0.0, most=MOST_PAIRS, seed=0):
    """The pairs that an evaluation compares: all comparable ones, or `most` of them drawn with `seed`.

    Args:
        scores, groups, min_gap: see `ComparablePairs`.

    Returns:
        [p, 2] indices; column 0 has the higher score.

    Raises:
        ValueError: if no two pictures are comparable.
    """
    pairs = ComparablePairs(scores, groups, min_gap).some(most, seed)
    if not len(pairs):
        raise ValueError(f"no two of the {len(scores)} pictures are comparable, expected at least one pair")
    return pairs


def ranking_metrics(predicted, scores, groups=None, min_gap=0.0, most_pairs=MOST_PAIRS, resamples=1000, seed=0,
                    pairs=None):
    """Pair accuracy, Spearman's rho and Kendall's tau-b, each with its 95 % percentile bootstrap interval.

    The bootstrap resamples pictures, not pairs: pairs that share a picture are not independent.

    Args:
        predicted, scores: [n] finite.
        groups: [n] or None: only pictures of one group are compared.
        min_gap: least score difference of a pair.
        most_pairs: where more pairs are comparable, this many of them, drawn with `seed`.
        resamples: bootstrap resamples.
        seed: of the bootstrap and of the draw.
        pairs: [p, 2] indices of the pairs to compare, column 0 the higher; None for `pairs_to_compare`.

    Returns:
        `{"pair_accuracy": {"value", "low", "high"}, "spearman": ..., "kendall": ..., "pictures": n, "pairs": p}`.

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

    def accuracy(index):
        # A pair counts as often as both its pictures were drawn; a picture against its own copy is no pair.
        times = np.bincount(index, minlength=len(scores))
        return pair_accuracy(predicted, pairs, times[pairs[:, 0]] * times[pairs[:, 1]])

    def rank(correlation):
        return lambda i: group_correlation(correlation, predicted[i], scores[i], None if groups is None
                                           else np.asarray(groups)[i])

    result = {}
    for name, statistic in (("pair_accuracy", accuracy), ("spearman", rank(stats.spearmanr)),
                            ("kendall", rank(stats.kendalltau))):
        everything = np.arange(len(scores))
        with warnings.catch_warnings():
            # All resamples equal (a perfect ranking): the interval is that one value, which scipy calls degenerate.
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            interval = stats.bootstrap((everything,), statistic, vectorized=False, n_resamples=resamples,
                                       method="percentile", rng=np.random.default_rng(seed)).confidence_interval
        result[name] = {"value": statistic(everything), "low": float(interval.low), "high": float(interval.high)}
    return {**result, "pictures": len(scores), "pairs": len(pairs)}


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
