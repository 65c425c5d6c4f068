"""Rank correlations of fixed values as functions of how often a bootstrap drew each picture."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.resampling import members_of

# From [n] times to a correlation.
Correlation = Callable[[np.ndarray], float]

IN_A_MATRIX = 500  # Most pictures of which Kendall's tau keeps the order of every two, 2 MB. Above, SciPy is faster.


def prepare_spearman(
    predicted: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> Correlation:
    """Returns Spearman's rho within groups, as a function of how often each picture counts.

    It is the number that `scipy.stats.spearmanr` gives if each picture is repeated so often. Sorting is done once: a
    call only counts, which makes the thousand resamples of a bootstrap many times faster.

    Args:
        predicted, scores: [n].
        groups: [n] or None for one group.

    Returns:
        A function from [n] (floats without fractions, at least 0) to a float in [-1, 1]: the average over the groups,
        with their drawn sizes as weights. Groups in which either side is constant are left out; NaN if all are.

    Example:
        >>> rho = prepare_spearman([1.0, 3.0, 2.0], [1.0, 2.0, 3.0])
        >>> rho(np.ones(3)), rho(np.array([4.0, 1.0, 0.0]))  # As they are, and drawn 4, 1 and 0 times.
        (0.5, 1.0)
    """
    return _within(_spearman, predicted, scores, groups)


def prepare_kendall(
    predicted: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike | None = None
) -> Correlation:
    """Returns Kendall's tau-b (`scipy.stats.kendalltau`) in the way of `prepare_spearman`.

    Example:
        >>> tau = prepare_kendall([1.0, 3.0, 2.0], [1.0, 2.0, 3.0])
        >>> round(tau(np.ones(3)), 4), tau(np.array([4.0, 1.0, 0.0]))
        (0.3333, 1.0)
    """
    return _within(_kendall, predicted, scores, groups)


def _within(prepare, predicted, scores, groups):
    predicted, scores = np.asarray(predicted), np.asarray(scores)
    members = members_of(groups, len(scores))
    prepared = [prepare(predicted[index], scores[index]) for index in members]
    if len(members) == 1:
        return prepared[0]

    def average(times):
        drawn = [times[index] for index in members]
        values = [correlation(one) for correlation, one in zip(prepared, drawn, strict=True)]
        return average_defined(np.array(values), np.array([one.sum() for one in drawn]))

    return average


def average_defined(values: np.ndarray, sizes: np.ndarray) -> float:
    """Averages what is not NaN, weighted by sizes; NaN if nothing is left."""
    defined = ~np.isnan(values)
    return float(np.average(values[defined], weights=sizes[defined])) if defined.any() else float("nan")


def _spearman(x, y):
    places = [np.unique(side, return_inverse=True)[1] for side in (x, y)]

    def spearman(times):
        middle = (times.sum() + 1) / 2
        a, b = (_ranks(place, times) - middle for place in places)
        spread = (times * a * a).sum() * (times * b * b).sum()
        return float((times * a * b).sum() / np.sqrt(spread)) if spread > 0 else np.nan

    return spearman


def _ranks(place, times):
    """Returns the rank of each picture, and the mean of those ranks that equal ones share."""
    every = np.bincount(place, times)
    return (np.cumsum(every) - (every - 1) / 2)[place]


def _kendall(x, y):
    places = [np.unique(side, return_inverse=True)[1] for side in (x, y)]
    small = len(x) <= IN_A_MATRIX
    # 1 where two pictures are in the same order on both sides, -1 where they are not, 0 at a tie.
    order = np.prod([np.sign(side[:, None] - side) for side in places], 0, dtype=np.float64) if small else None

    def kendall(times):
        pairs = times.sum() * (times.sum() - 1) / 2
        untied = [pairs - (every * (every - 1) / 2).sum() for every in (np.bincount(one, times) for one in places)]
        if min(untied) <= 0:
            return np.nan
        if small:
            return float(np.clip(times @ (order @ times) / 2 / np.sqrt(untied[0]) / np.sqrt(untied[1]), -1, 1))
        drawn = np.repeat(np.arange(len(times)), times.astype(np.int64))
        return float(stats.kendalltau(*(side[drawn] for side in places)).statistic)

    return kendall
