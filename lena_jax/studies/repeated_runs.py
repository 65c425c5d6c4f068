"""Train and evaluate one config on every fold, with several seeds, or both, and average the results."""

import os

import ml_collections

from lena_jax.config import differences, with_defaults
from lena_jax.data.splits import open_pictures
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.metrics import pairs_to_compare
from lena_jax.models.predict import predictor_of
from lena_jax.report.page import write_report
from lena_jax.runs import folder
from lena_jax.studies.scalars import mean_measures
from lena_jax.train.loop import train


def run(config, workdir, folds=0, seeds=1, fold=None, seed=None):
    """Train and evaluate all runs one after another, or only the chosen ones; skip finished runs.

    Each run gets a folder, such as `workdir/fold_2`, `workdir/seed_0` or `workdir/fold_2_seed_0`. The call that finds
    all runs finished also writes `workdir/metrics.json`.

    Args:
        config: config of one run; `data.folds`, `data.fold` and `seed` are set here.
        workdir: folder of all runs.
        folds: number of folds, >= 2; 0 for the dataset's own splits.
        seeds: number of seeds, counted from `config.seed`.
        fold, seed: index of the one fold, and of the one seed, to do in this call, for a cluster's job array; None for
            all.

    Returns:
        {"runs": {name: metrics}, "mean": {measure: {"value", "low", "high"}}}, or None while runs are missing. There is
        a mean for every number that all runs have (`scalar_measures`, such as "calibration.ece"): the mean over seeds
        within each fold, averaged over folds. The interval is Student's t over the folds; it is somewhat too narrow,
        because folds share training pictures. Without folds, it is over the seeds.

    Raises:
        ValueError: if there is one fold, no seed, fewer than two runs, an index out of range, or a fold without two
            comparable pictures; see also `train`.
    """
    check_numbers(folds, seeds, fold, seed)
    configs = configs_of(config, folds, seeds)
    for number in range(folds):
        # Check every fold now, not after hours of training on earlier folds.
        test = open_pictures(configs[number, 0])["test"]
        pairs_to_compare(test.scores, test.groups, config.pairs.min_gap, given=test.decided_pairs())
    for number, one in configs.items():
        if fold in (None, number[0]) and seed in (None, number[1]):
            path = os.path.join(workdir, name_of(number, folds, seeds))
            if train(one, path).size or finished(path, one) is None:
                # A frozen backbone's features are in the cache by now.
                evaluate(path, predictor=predictor_of(one))
                write_report(path)
    results = {
        number: finished(os.path.join(workdir, name_of(number, folds, seeds)), one) for number, one in configs.items()
    }
    if None in results.values():
        return None
    summary = {
        "runs": {name_of(number, folds, seeds): metrics for number, metrics in results.items()},
        "mean": mean_measures(parts_of(results, folds)),
    }
    folder.write_metrics(workdir, summary)
    return summary


def check_numbers(folds, seeds, fold=None, seed=None):
    """Refuse fewer than two runs, and the index of a fold or seed that does not exist."""
    if folds == 1 or folds < 0 or seeds < 1 or max(folds, 1) * seeds < 2:
        raise ValueError(
            f"folds must be 0 or at least 2, seeds at least 1, and together they must give at least two runs, got "
            f"folds={folds} and seeds={seeds}"
        )
    for name, value, count in (("fold", fold, folds), ("seed", seed, seeds)):
        if value is not None and not 0 <= value < count:
            raise ValueError(f"{name} must be in [0, {count}), got {value}")


def configs_of(config, folds, seeds):
    """Return {(fold, seed): config} of all runs; seeds count from 0.

    Raises:
        ValueError: if there are several seeds of what no seed changes: they would be equal, and look certain.
    """
    if seeds > 1 and config.head.solver == "exact" and config.backbone.pretrained:
        raise ValueError(
            f"got {seeds} seeds and head.solver 'exact', expected one seed: a solved head on a pretrained backbone is "
            "the same for every seed. Use folds, or head.solver 'steps'"
        )
    configs = {}
    for fold in range(max(folds, 1)):
        for seed in range(seeds):
            one = ml_collections.ConfigDict(config.to_dict())
            one.seed = config.seed + seed
            if folds:
                one.data.folds, one.data.fold = folds, fold
            configs[fold, seed] = one
    return configs


def name_of(number, folds, seeds):
    """Return the folder of a run, relative to the folder of all runs."""
    parts = ([f"fold_{number[0]}"] if folds else []) + ([f"seed_{number[1]}"] if seeds > 1 else [])
    return "_".join(parts)


def finished(path, config):
    """Return the measures of an evaluated run; None if it was not evaluated or has another config."""
    theirs, metrics = folder.read_config(path), folder.read_metrics(path)
    if theirs is None or metrics is None:
        return None
    return None if differences(config, with_defaults(theirs)) else metrics


def parts_of(results, folds):
    """Group results by fold, or by seed if there are no folds: {(fold, seed): result} -> a list of lists."""
    parts = {}
    for (fold, seed), result in results.items():
        parts.setdefault(fold if folds else seed, []).append(result)
    return list(parts.values())
