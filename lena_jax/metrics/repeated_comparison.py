"""Two configurations, each trained several times: their difference over new pictures, and over new trainings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from lena_jax.metrics.comparison import pseudo_values
from lena_jax.metrics.ranking import checked, pairs_right, pairs_to_compare
from lena_jax.metrics.resampling import Units, bootstrap, members_of
from lena_jax.metrics.sign_flips import sign_flip_test


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
    """Difference of the mean pair accuracy and Spearman's rho of two sets of trained models on the same pictures.

    As `compare_models`, but a measure is the mean over the trainings of a configuration: of the pair accuracy that is
    the weighted mean over pairs of `mean_s right_ps`, each pair's correctness averaged over the trainings s; of
    Spearman's rho the mean of the trainings' values. Pictures (units) are what is resampled and flipped, so interval
    and p-value are of new pictures and *these* trainings; for new trainings see `paired_t`.

    Args:
        first, second: [s, n] predicted scores of the trainings of each configuration.
        scores, groups, pairs, resamples, flips, seed, clusters: as of `compare_models`.

    Returns:
        {"pair_accuracy": {"first", "second", "difference", "low", "high", "p_value"}, "spearman": ..., "unit", "units",
        "pictures", "pairs"}; what is not defined is None.

    Raises:
        ValueError: unless the shapes fit, or as of `compare_models`.
    """
    first, second, scores = np.atleast_2d(first), np.atleast_2d(second), np.asarray(scores, np.float64)
    for one in (*first, *second):
        checked(one, scores)
    if pairs is None:
        pairs = pairs_to_compare(scores, groups, seed=seed)
    pairs = np.asfortranarray(pairs)  # Columns are read thousands of times.
    units = Units.of(len(scores), pairs, groups if clusters is None else clusters)
    groups = None if groups is None else np.asarray(groups)
    right = [np.mean([pairs_right(one, pairs) for one in side], 0) for side in (first, second)]

    def accuracies(index):
        weight = units.pair_weight(index, pairs)
        total = weight.sum() or np.nan
        return [float((side * weight).sum() / total) for side in right]

    def correlations(index):
        index = units.pictures(index)
        members = members_of(None if groups is None else groups[index], len(index))
        return [
            float(np.mean(mean_spearman(side[:, index].astype(np.float64), scores[index], members)))
            for side in (first, second)
        ]

    result = {}
    for name, measure in (("pair_accuracy", accuracies), ("spearman", correlations)):

        def difference(index, measure=measure):
            one, other = measure(index)
            return one - other

        def named(index, difference=difference):
            return {"difference": difference(index)}

        values = measure(np.arange(len(units)))
        interval = bootstrap(named, len(units), resamples, seed)["difference"]
        pseudo = pseudo_values(difference, len(units), seed)
        result[name] = {
            "first": _or_none(values[0]),
            "second": _or_none(values[1]),
            "difference": interval["value"],
            "low": interval["low"],
            "high": interval["high"],
            "p_value": sign_flip_test(pseudo, flips, seed) if len(pseudo) else None,
        }
    return {**result, "unit": units.kind, "units": len(units), "pictures": len(scores), "pairs": len(pairs)}


def mean_spearman(predicted: np.ndarray, scores: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Spearman's rho of each row within the groups, averaged by the groups' numbers of pictures.

    Args:
        predicted: [s, n].
        scores: [n].
        members: the indices of each group's pictures.

    Returns:
        [s]; groups in which a side is constant are left out, NaN where all are.
    """
    values, sizes = [], []
    for index in members:
        if len(index) < 2:
            continue
        x, y = (stats.rankdata(one, axis=-1) - (len(index) + 1) / 2 for one in (predicted[:, index], scores[index]))
        with np.errstate(invalid="ignore"):
            values.append(x @ y / np.sqrt((x * x).sum(1) * (y @ y)))
        sizes.append(len(index))
    each, weight = np.array(values).reshape(-1, len(predicted)), np.array(sizes, np.float64)[:, None]
    defined = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        return np.where(defined, each * weight, 0).sum(0) / (defined * weight).sum(0)


def paired_t(differences: npt.ArrayLike, overlap: float = 0.0) -> dict[str, float | None]:
    """Student's paired t test over runs: two configurations that met the same seeds, or the same folds.

    `t = mean / sqrt((1/k + overlap) var)` with k - 1 degrees of freedom. `overlap = 0` is the ordinary test, right for
    seeds: they are independent, and the hypothesis is that both configurations are equally good on *these* test
    pictures in the mean over all seeds. Folds train on common pictures, which makes their results alike and the
    ordinary test reject far too often; with k folds `overlap = n_test / n_train = 1 / (k - 1)` corrects for it.

    Args:
        differences: [k] first minus second of each run.
        overlap: test pictures per training picture, for folds; else 0.

    Returns:
        {"difference": mean, "low", "high": 95 %, "p_value", "runs": k}; only the difference with fewer than two runs.

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


def _or_none(value):
    return None if np.isnan(value) else float(value)
