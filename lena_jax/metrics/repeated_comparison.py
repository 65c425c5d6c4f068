"""Compare two configurations, each trained several times: over new pictures, and over new trainings."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.comparison import compare_sides, counts
from lena_jax.metrics.rank_correlation import prepare_spearman
from lena_jax.metrics.ranking import checked, pairs_right, pairs_to_compare
from lena_jax.metrics.resampling import Units


def compare_trainings(
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
    """Compares the mean pair accuracy and Spearman's rho of two sets of trained models on the same pictures.

    Like `compare_models`, but each measure is a mean over the trainings s of a configuration. Pair accuracy is the
    weighted mean over pairs of `mean_s right_ps`, the mean correctness of a pair. Spearman's rho is the mean of the
    trainings' values. Resampling and sign flips are over pictures (units), so intervals and p-values are about new
    pictures and *these* trainings. For new trainings, see `paired_t`.

    Args:
        first, second: [s, n], predicted scores of the trainings of each configuration.
        scores, groups, pairs, resamples, flips, seed, clusters: see `compare_models`.

    Returns:
        {"pair_accuracy": {"first", "second", "difference", "low", "high", "p_value"}, "spearman": ..., "unit", "units",
        "pictures", "pairs"}. Undefined values are None.

    Raises:
        ValueError: the shapes do not match, or in the same cases as `compare_models`.
    """
    first, second, scores = np.atleast_2d(first), np.atleast_2d(second), np.asarray(scores, np.float64)
    for one in (*first, *second):
        checked(one, scores)
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, seed=seed)
    pairs = np.asfortranarray(pairs)  # Columns are read thousands of times.
    units = Units.of(len(scores), pairs, groups if clusters is None else clusters)
    rhos = [[prepare_spearman(one, scores, groups) for one in side] for side in (first, second)]
    right = [np.mean([pairs_right(one, pairs) for one in side], 0) for side in (first, second)]

    def accuracies(index):
        weight = units.pair_weight(index, pairs)
        total = weight.sum() or np.nan
        return [float((side * weight).sum() / total) for side in right]

    def correlations(index):
        times = units.times(index)
        return [float(np.mean([rho(times) for rho in side])) for side in rhos]

    return {
        "pair_accuracy": compare_sides(accuracies, len(units), resamples, flips, seed),
        "spearman": compare_sides(correlations, len(units), resamples, flips, seed),
        **counts(units, scores, pairs),
    }


def paired_t(differences: npt.ArrayLike, overlap: float = 0.0) -> dict[str, float | None]:
    """Performs Student's paired t test over runs of two configurations with the same seeds, or the same folds.

    `t = mean / sqrt((1/k + overlap) var)` with k - 1 degrees of freedom. `overlap = 0` is the ordinary test, correct
    for seeds, which are independent. Its null hypothesis is that both configurations are equally good on *these* test
    pictures, on average over all seeds. Folds share training pictures, so their results are correlated and the ordinary
    test rejects far too often. For k folds, `overlap = n_test / n_train = 1 / (k - 1)` corrects this.

    Args:
        differences: [k], first minus second for each run.
        overlap: test pictures per training picture for folds, otherwise 0.

    Returns:
        {"difference": mean, "low", "high": 95 % interval, "p_value", "runs": k}. With fewer than two runs, "low",
        "high" and "p_value" are None.

    Reference: Nadeau and Bengio, Inference for the generalization error, Machine Learning, 2003.
    """
    differences = np.asarray(differences, np.float64)
    count, mean = len(differences), float(np.mean(differences))
    if count < 2:
        return {"difference": mean, "low": None, "high": None, "p_value": None, "runs": count}
    error = np.sqrt((1 / count + overlap) * np.var(differences, ddof=1))
    half = stats.t.ppf(0.975, count - 1) * error
    p = 2 * stats.t.sf(abs(mean) / error, count - 1) if error > 0 else float(mean == 0)
    return {
        "difference": mean,
        "low": float(mean - half),
        "high": float(mean + half),
        "p_value": float(p),
        "runs": count,
    }
