"""One config trained and evaluated on every fold, or with several seeds, or both, and what the runs say together."""

import json
import os

import ml_collections
import numpy as np
from scipy import stats

from lena_jax import checkpoints, run_report
from lena_jax.evaluation import evaluate
from lena_jax.files import write_whole
from lena_jax.metrics import pairs_to_compare
from lena_jax.run_data import open_pictures
from lena_jax.training import train

MEASURES = ("pair_accuracy", "spearman", "kendall")


def run(config, workdir, folds=0, seeds=1, fold=None, seed=None):
    """Trains and evaluates each run, one after another or the chosen one alone; what is finished is not done again.

    Writes a folder for each, such as `workdir/fold_2`, `workdir/seed_0` or `workdir/fold_2_seed_0`, and, once all of
    them are there, whoever made them, `workdir/metrics.json`.

    Args:
        config: of one run; `data.folds`, `data.fold` and `seed` are set here.
        workdir: folder for all of them.
        folds: number of folds, >= 2; 0 for the data set's own splits.
        seeds: number of seeds, counted from `config.seed`.
        fold, seed: number of the only fold, and of the only seed, to do in this call, as in a cluster's job array; None
            for all.

    Returns:
        {"runs": {name: metrics}, "mean": {measure: {"value", "low", "high"}}}, or None while runs are missing. A mean
        is over the folds of the mean over seeds; the interval is Student's t over the folds, which understates the
        spread somewhat because their training pictures overlap, or over the seeds where there are no folds.

    Raises:
        ValueError: as of `train`; for one fold, no seed, fewer than two runs, a number out of range, or a fold without
            two comparable pictures.
    """
    if folds == 1 or folds < 0 or seeds < 1 or max(folds, 1) * seeds < 2:
        raise ValueError(f"folds must be 0 or at least 2, seeds at least 1, and both together at least two runs, got "
                         f"folds={folds} and seeds={seeds}")
    for name, value, count in (("fold", fold, folds), ("seed", seed, seeds)):
        if value is not None and not 0 <= value < count:
            raise ValueError(f"{name} must be in [0, {count}), got {value}")
    configs = _configs(config, folds, seeds)
    for number in range(folds):
        # Known before hours are spent on the folds before it.
        test = open_pictures(configs[number, 0])["test"]
        pairs_to_compare(test.scores, test.groups, config.pairs.min_gap, given=test.pairs)
    for number, one in configs.items():
        if fold in (None, number[0]) and seed in (None, number[1]):
            path = os.path.join(workdir, _name(number, folds, seeds))
            if train(one, path).size or _finished(path, one) is None:
                evaluate(path)
                run_report.write(path)
    results = {number: _finished(os.path.join(workdir, _name(number, folds, seeds)), one)
               for number, one in configs.items()}
    if None in results.values():
        return None
    summary = {"runs": {_name(number, folds, seeds): metrics for number, metrics in results.items()},
               "mean": {name: _mean(results, name, folds) for name in MEASURES}}
    write_whole(os.path.join(workdir, "metrics.json"), lambda file: json.dump(summary, file, indent=2))
    return summary


def _configs(config, folds, seeds):
    """{(number of the fold, number of the seed): config}."""
    configs = {}
    for fold in range(max(folds, 1)):
        for seed in range(seeds):
            one = ml_collections.ConfigDict(config.to_dict())
            one.seed = config.seed + seed
            if folds:
                one.data.folds, one.data.fold = folds, fold
            configs[fold, seed] = one
    return configs


def _name(number, folds, seeds):
    parts = ([f"fold_{number[0]}"] if folds else []) + ([f"seed_{number[1]}"] if seeds > 1 else [])
    return "_".join(parts)


def _finished(path, config):
    """The measures of a run that was evaluated, None if it was not, or was one of another config."""
    try:
        with open(os.path.join(path, "config.json")) as file:
            theirs = json.load(file)
        with open(os.path.join(path, "metrics.json")) as file:
            metrics = json.load(file)
    except FileNotFoundError:
        return None
    different = set(checkpoints.differing_keys(checkpoints.as_json(config), theirs)) - checkpoints.MAY_DIFFER
    return None if different else metrics


def _mean(results, name, folds):
    values = {}
    for (fold, seed), metrics in results.items():
        values.setdefault(fold if folds else seed, []).append(metrics[name]["value"])
    if any(None in runs for runs in values.values()):
        return dict.fromkeys(("value", "low", "high"))
    values = [np.mean(runs) for runs in values.values()]
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return {"value": float(mean), "low": float(mean - half), "high": float(mean + half)}
