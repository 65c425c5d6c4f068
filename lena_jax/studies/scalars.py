"""Flatten the numbers of a `metrics.json` to dotted names, and average them over runs."""

import numpy as np
from scipy import stats

# Keys that say what was evaluated, not how well.
_NOT_MEASURES = {"step", "pictures", "pairs", "cells"}


def scalar_measures(metrics):
    """Return the measures of a nested dict under dotted names, such as "calibration.ece".

    A dict with a "value" gives that value. Lists (tables, histograms), text and counts are left out.

    Args:
        metrics: metrics from `evaluation.evaluate`.

    Returns:
        {dotted name: float, or None if the measure is undefined}.
    """
    found = {}
    for name, value in metrics.items():
        if name in _NOT_MEASURES:
            continue
        if isinstance(value, dict):
            found |= (
                {name: value["value"]}
                if "value" in value
                else {f"{name}.{inner}": one for inner, one in scalar_measures(value).items()}
            )
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = value
    return found


def mean_measures(runs):
    """Average every scalar measure that all runs have, with Student's t intervals over independent runs.

    Args:
        runs: a list over folds (or seeds, if there are no folds) of lists of `metrics.json` (the seeds of a fold).

    Returns:
        {dotted name: {"value", "low", "high"}}, each over the means of the inner lists. All three are None if a run's
        value is undefined; `low` and `high` are None if there is only one inner list.
    """
    scalars = [[scalar_measures(metrics) for metrics in part] for part in runs]
    first, *others = [one for part in scalars for one in part]
    shared = [name for name in first if all(name in other for other in others)]
    return {name: mean_interval([[one[name] for one in part] for part in scalars]) for name in shared}


def mean_interval(values):
    """Return {"value", "low", "high"} for a list of lists: the mean of the inner means, and its 95 % t interval."""
    if any(None in part for part in values):
        return dict.fromkeys(("value", "low", "high"))
    means = [np.mean(part) for part in values]
    if len(means) < 2:
        return {"value": float(means[0]), "low": None, "high": None}
    mean, half = np.mean(means), stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)
    return {"value": float(mean), "low": float(mean - half), "high": float(mean + half)}
