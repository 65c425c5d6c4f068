"""Cross-validation: the same config trained and evaluated on each fold, and what the folds say together."""

import json
import os

import ml_collections
import numpy as np
from scipy import stats

from lena_jax.evaluation import evaluate
from lena_jax.files import write_whole
from lena_jax.metrics import pairs_to_compare
from lena_jax.run_data import open_pictures
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
        ValueError: as of `train`, for fewer than two folds, or one without two comparable pictures.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2, got {folds}")
    configs = []
    for fold in range(folds):
        one = ml_collections.ConfigDict(config.to_dict())
        one.data.folds, one.data.fold = folds, fold
        configs.append(one)
        # Known before hours are spent on the folds before it.
        test = open_pictures(one)["test"]
        pairs_to_compare(test.scores, test.groups, one.pairs.min_gap, given=test.pairs)
    results = []
    for fold, one in enumerate(configs):
        path = os.path.join(workdir, f"fold_{fold}")
        train(one, path)
        results.append(evaluate(path))
    mean = {}
    for name in MEASURES:
        values = [metrics[name]["value"] for metrics in results]
        mean[name] = dict.fromkeys(("value", "low", "high"))  # None where a fold has none.
        if None not in values:
            half = stats.t.ppf(0.975, folds - 1) * stats.sem(values)
            mean[name] = {"value": float(np.mean(values)), "low": float(np.mean(values) - half),
                          "high": float(np.mean(values) + half)}
    summary = {"folds": results, "mean": mean}
    write_whole(os.path.join(workdir, "metrics.json"), lambda file: json.dump(summary, file, indent=2))
    return summary
