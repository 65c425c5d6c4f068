"""Every single number that a `metrics.json` has, under one dotted name each, and their means over runs."""

import numpy as np
from scipy import stats

# What was evaluated rather than how well.
_NOT_MEASURES = {"step", "pictures", "pairs", "cells"}


def scalar_measures(metrics):
    """The numbers of a nested dict: {"pair_accuracy": ..., "calibration.ece": ..., "localization.virality_map.pxap"}.

    A dict with a "value" stands for that value. Lists (tables, histograms), text and counts are left out.

    Args:
        metrics: as of `evaluation.evaluate`.

    Returns:
        {dotted name: float, or None where the measure is not defined}.
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
    """Means of every scalar measure that all runs have, with Student's t intervals over independent runs.

    Args:
        runs: a list over independent parts (folds, or seeds) of lists of `metrics.json` (seeds of a fold).

    Returns:
        {dotted name: {"value", "low", "high"}}, of the means of each part; all None where a run's value is not
        defined, no interval with one part.
    """
    scalars = [[scalar_measures(metrics) for metrics in part] for part in runs]
    first, *others = [one for part in scalars for one in part]
    shared = [name for name in first if all(name in other for other in others)]
    return {name: mean_interval([[one[name] for one in part] for part in scalars]) for name in shared}


def mean_interval(values):
    """{"value", "low", "high"} of a list of lists: the mean of the inner means, and its 95 % Student's t interval."""
    if any(None in part for part in values):
        return dict.fromkeys(("value", "low", "high"))
    means = [np.mean(part) for part in values]
    if len(means) < 2:
        return {"value": float(means[0]), "low": None, "high": None}
    mean, half = np.mean(means), stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)
    return {"value": float(mean), "low": float(mean - half), "high": float(mean + half)}
