"""Cross-validation: the same config trained and evaluated on each fold, and what the folds say together."""

import json
import os

import ml_collections
import numpy as np
from scipy import stats

from lena_jax.evaluation import evaluate
from lena_jax.files import write_whole
from lena_jax.training import train

MEASURES = ("pair_accuracy", "spearman", "kendall")


def run(config, workdir, folds):
    """Trains and evaluates on every fold, one after another; folds that are finished are not done again.

    Writes `workdir/fold_K/` (a run each) and `workdir/metrics.json`.

    Args:
        config: of one run; `data.folds` and `data.fold` are set here.
        workdir: folder for all of them.
        folds: their number, >= 2.

    Returns:
        {"folds": [metrics, ...], "mean": {measure: {"value", "low", "high"}}}; the interval is Student's t over
        the folds, which understates the spread somewhat because their training pictures overlap.

    Raises:
        ValueError: as of `train`.
    """
    results = []
    for fold in range(folds):
        one = ml_collections.ConfigDict(config.to_dict())
        one.data.folds, one.data.fold = folds, fold
        path = os.path.join(workdir, f"fold_{fold}")
        train(one, path)
        results.append(evaluate(path))
    mean = {}
    for name in MEASURES:
        values = [metrics[name]["value"] for metrics in results]
        half = stats.t.ppf(0.975, folds - 1) * stats.sem(values)
        mean[name] = {"value": float(np.mean(values)), "low": float(np.mean(values) - half),
                      "high": float(np.mean(values) + half)}
    summary = {"folds": results, "mean": mean}
    write_whole(os.path.join(workdir, "metrics.json"), lambda file: json.dump(summary, file, indent=2))
    return summary
