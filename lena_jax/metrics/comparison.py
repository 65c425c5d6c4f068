"""Compare two models on the same pairs: the difference of their measures, with a paired interval and a p-value."""

from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from lena_jax.metrics.rank_correlation import prepare_spearman
from lena_jax.metrics.ranking import checked, pair_accuracy, pairs_to_compare
from lena_jax.metrics.resampling import Units, bootstrap
from lena_jax.metrics.sign_flips import sign_flip_test

MOST_BLOCKS = 500  # Blocks of units that are left out together. Limits the cost of the jackknife.


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
    """Computes the difference of pair accuracy and of Spearman's rho between two models on the same pictures and pairs.

    Both models are measured on the same pictures, so the difficulty of a picture affects both and cancels in the
    difference. The interval draws the same units for both models (a paired bootstrap). It is often far narrower than
    the models' own intervals suggest. Units are pictures, or sets of pictures that no pair connects. They are never
    pairs, because all pairs of a picture share its error (see `Units`).

    The null hypothesis of the p-value is that *both models have the same expected measure on new pictures* (units)
    drawn like these. They need not make the same errors. The test is the sign-flip test of the jackknife pseudo-values
    of the difference D,

        psi_u = U D - (U - 1) D(without unit u),

    which are independent and have mean D, both to first order (pair accuracy is a U-statistic of order 2). So under the
    null hypothesis their signs are exchangeable asymptotically. The test says nothing about other trainings of the same
    two configurations. For those, compare means over seeds with `sign_flip_test`.

    Args:
        first, second: [n], predicted scores of the two models, each on its own scale.
        scores: [n], true scores.
        groups: [n] or None.
        pairs: [p, 2]; column 0 is the higher picture. None for `pairs_to_compare`.
        resamples: number of bootstrap resamples.
        flips: number of sign flips in the test.
        seed: seed of both.
        clusters: [n], independent sets of pictures if the groups are not independent, such as one group that several
            folds share. No pair may connect two clusters. None for the groups.

    Returns:
        {"pair_accuracy": {"first", "second", "difference": first - second, "low", "high": 95 %, "p_value"},
        "spearman": ..., "unit": kind of unit, "units": number of units, "pictures", "pairs"}. Undefined values, such as
        a correlation with a constant, are None.

    Raises:
        ValueError: in the same cases as `ranking_metrics`.

    References: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (jackknife pseudo-values, paired
    bootstrap); Hoeffding, 1948 (U-statistics).
    """
    first, scores = checked(first, scores)
    second, _ = checked(second, scores)
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, seed=seed)
    units = Units.of(len(scores), pairs, groups if clusters is None else clusters)
    rhos = [prepare_spearman(side, scores, groups) for side in (first, second)]

    def accuracies(index):
        weight = units.pair_weight(index, pairs)
        return [pair_accuracy(predicted, pairs, weight) for predicted in (first, second)]

    def correlations(index):
        times = units.times(index)
        return [rho(times) for rho in rhos]

    return {
        "pair_accuracy": compare_sides(accuracies, len(units), resamples, flips, seed),
        "spearman": compare_sides(correlations, len(units), resamples, flips, seed),
        **counts(units, scores, pairs),
    }


def compare_sides(
    measure: Callable[[np.ndarray], Sequence[float]], count: int, resamples: int, flips: int, seed: int
) -> dict[str, float | None]:
    """Computes a measure of two sides and its difference, with the interval and the test of `compare_models`.

    Args:
        measure: takes indices of units, which may repeat, and returns the measures of both sides on them.
        count: number of units.
        resamples, flips, seed: see `compare_models`.

    Returns:
        {"first", "second", "difference", "low", "high", "p_value"}. Undefined values are None.
    """

    def difference(index):
        one, other = measure(index)
        return one - other

    first, second = (None if np.isnan(value) else float(value) for value in measure(np.arange(count)))
    interval = bootstrap(lambda index: {"difference": difference(index)}, count, resamples, seed)["difference"]
    pseudo = pseudo_values(difference, count, seed)
    return {
        "first": first,
        "second": second,
        "difference": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        "p_value": sign_flip_test(pseudo, flips, seed) if len(pseudo) else None,
    }


def counts(units: Units, scores: Sized, pairs: Sized) -> dict[str, Any]:
    """Counts what a comparison was made on: {"unit": kind of unit, "units", "pictures", "pairs"}."""
    return {"unit": units.kind, "units": len(units), "pictures": len(scores), "pairs": len(pairs)}


def pseudo_values(statistic: Callable[[np.ndarray], float], count: int, seed: int) -> np.ndarray:
    """Computes jackknife pseudo-values. Leaves out random blocks if there are more than `MOST_BLOCKS` units."""
    whole = statistic(np.arange(count))
    blocks = np.array_split(np.random.default_rng(seed).permutation(count), min(count, MOST_BLOCKS))
    without = np.array([statistic(np.delete(np.arange(count), block)) for block in blocks])
    pseudo = len(blocks) * whole - (len(blocks) - 1) * without
    return pseudo[np.isfinite(pseudo)]
