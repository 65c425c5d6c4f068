"""Spearman's rho and Kendall's tau-b, fast enough for the thousands of small calls of a bootstrap."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

SMALL = 128  # Up to this many pictures, all pairs at once are faster than sorting them.


def ranks(values: np.ndarray) -> np.ndarray:
    """Computes the rank of each value, from 1; equal values share their mean rank.

    Equal to `scipy.stats.rankdata`, without its checks.

    Args:
        values: [n], finite.

    Returns:
        [n], in [1, n].

    Example:
        >>> ranks(np.array([0.5, 2.0, 0.5])).tolist()
        [1.5, 3.0, 1.5]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Computes Spearman's rho, Pearson's correlation of the ranks; neither side may be constant.

    Equal to `scipy.stats.spearmanr`, without its checks and its p-value.

    Args:
        first, second: [n], finite.

    Returns:
        A float in [-1, 1].

    Example:
        >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
        0.5
    """
    x, y = (ranks(side) - (len(side) + 1) / 2 for side in (first, second))
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def kendall(first: np.ndarray, second: np.ndarray) -> float:
    """Computes Kendall's tau-b; neither side may be constant.

    `tau = sum_ij a_ij b_ij / sqrt(sum_ij a_ij^2 sum_ij b_ij^2)` with `a_ij = sign(first_i - first_j)`, and b alike.
    Equal to `scipy.stats.kendalltau`, which does the work for more than `SMALL` values.

    Args:
        first, second: [n], finite.

    Returns:
        A float in [-1, 1].

    Example:
        >>> kendall(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])).__round__(3)
        0.333
    """
    if len(first) > SMALL:
        return float(stats.kendalltau(first, second).statistic)
    a, b = (np.sign(side[:, None] - side).ravel() for side in (first, second))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def mean_spearman(predicted: np.ndarray, scores: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Computes Spearman's rho of each row within the groups, averaged over groups with their sizes as weights.

    Args:
        predicted: [s, n].
        scores: [n].
        members: indices of each group's pictures.

    Returns:
        [s]. Groups in which either side is constant are left out; NaN if all are.
    """
    values, sizes = [], []
    for index in members:
        if len(index) < 2:
            continue
        middle = (len(index) + 1) / 2
        x, y = np.array([ranks(row) for row in predicted[:, index]]) - middle, ranks(scores[index]) - middle
        with np.errstate(invalid="ignore"):
            values.append(x @ y / np.sqrt((x * x).sum(1) * (y @ y)))
        sizes.append(len(index))
    each, weight = np.array(values).reshape(-1, len(predicted)), np.array(sizes, np.float64)[:, None]
    defined = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        return np.where(defined, each * weight, 0).sum(0) / (defined * weight).sum(0)
