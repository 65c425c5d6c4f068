"""Two models on the same pairs: how much better one orders them, with a paired interval and a p-value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.ranking import checked, group_correlation, pair_accuracy, pairs_to_compare
from lena_jax.metrics.resampling import Units, bootstrap
from lena_jax.metrics.sign_flips import sign_flip_test

MOST_BLOCKS = 500  # Of units left out together; bounds the cost of the jackknife.


def compare_models(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    pairs: np.ndarray | None = None,
    resamples: int = 1000,
    flips: int = 10_000,
    seed: int = 0,
    clusters: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """Difference of pair accuracy and of Spearman's rho between two models on the same pictures and pairs.

    Both models meet the same pictures, so what makes a picture hard is in both results and drops out of the
    difference: the interval draws units once for both (a paired bootstrap), and is often far narrower than the two
    models' own intervals suggest. The units are pictures, or sets of pictures between which there is no pair, never
    pairs: all pairs of a picture share its error (see `Units`).

    The p-value is of the hypothesis that *the two models have the same expected measure on new pictures* (units) drawn
    as these were; it does not ask that they make the same errors. It is the sign-flip test of the jackknife
    pseudo-values of the difference D,

        psi_u = U D - (U - 1) D(without unit u),

    which are independent to first order and have mean D to first order (for the pair accuracy as for any U-statistic
    of order 2), so that under the hypothesis their signs are exchangeable asymptotically. It says nothing of other
    trainings of the same two configurations: for that compare means over seeds with `sign_flip_test`.

    Args:
        first, second: [n] predicted scores of the two models; each has its own scale.
        scores: [n] true scores.
        groups: [n] or None.
        pairs: [p, 2], column 0 the higher; None for `pairs_to_compare`.
        resamples: of the bootstrap.
        flips: of the sign-flip test.
        seed: of both.
        clusters: [n], what is independent where groups are not, as the parts of one group in several folds are not; no
            pair may join two of them. None for the groups.

    Returns:
        {"pair_accuracy": {"first", "second", "difference": first - second, "low", "high": 95 %, "p_value"},
        "spearman": ..., "unit": kind of the units, "units": how many, "pictures", "pairs"}. What is not defined (a
        constant side) is None.

    Raises:
        ValueError: as of `ranking_metrics`.

    References: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (jackknife pseudo-values, paired
    bootstrap); Hoeffding, 1948 (U-statistics).
    """
    first, scores = checked(first, scores)
    second, _ = checked(second, scores)
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, seed=seed)
    units = Units.of(len(scores), pairs, groups if clusters is None else clusters)
    groups = None if groups is None else np.asarray(groups)
    result = {}
    for name, measure in (("pair_accuracy", _accuracy(units, pairs)), ("spearman", _spearman(units, scores, groups))):

        def difference(index, measure=measure):
            return measure(first, index) - measure(second, index)

        def named(index, difference=difference):
            return {"difference": difference(index)}

        everything = np.arange(len(units))
        interval = bootstrap(named, len(units), resamples, seed)["difference"]
        pseudo = pseudo_values(difference, len(units), seed)
        result[name] = {
            "first": _or_none(measure(first, everything)),
            "second": _or_none(measure(second, everything)),
            "difference": interval["value"],
            "low": interval["low"],
            "high": interval["high"],
            "p_value": sign_flip_test(pseudo, flips, seed) if len(pseudo) else None,
        }
    return {**result, "unit": units.kind, "units": len(units), "pictures": len(scores), "pairs": len(pairs)}


def _accuracy(units, pairs):
    return lambda predicted, index: pair_accuracy(predicted, pairs, units.pair_weight(index, pairs))


def _spearman(units, scores, groups):
    def measure(predicted, index):
        index = units.pictures(index)
        return group_correlation(
            stats.spearmanr, predicted[index], scores[index], None if groups is None else groups[index]
        )

    return measure


def pseudo_values(statistic: Callable[[np.ndarray], float], count: int, seed: int) -> np.ndarray:
    """Jackknife pseudo-values; of random blocks of units where there are more than `MOST_BLOCKS`."""
    whole = statistic(np.arange(count))
    blocks = np.array_split(np.random.default_rng(seed).permutation(count), min(count, MOST_BLOCKS))
    without = np.array([statistic(np.delete(np.arange(count), block)) for block in blocks])
    pseudo = len(blocks) * whole - (len(blocks) - 1) * without
    return pseudo[np.isfinite(pseudo)]


def _or_none(value):
    return None if np.isnan(value) else float(value)
