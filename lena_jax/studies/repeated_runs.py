"""One config trained and evaluated on every fold, or with several seeds, or both, and what the runs say together."""

import os

import ml_collections

from lena_jax.config import differences, with_defaults
from lena_jax.data.splits import open_pictures
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.metrics import pairs_to_compare
from lena_jax.report.page import write_report
from lena_jax.runs import folder
from lena_jax.studies.scalars import mean_measures
from lena_jax.train.loop import train


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
        {"runs": {name: metrics}, "mean": {measure: {"value", "low", "high"}}}, or None while runs are missing. Means
        are of every single number that all runs have (`scalar_measures`, such as "calibration.ece"). A mean is over the
        folds of the mean over seeds; the interval is Student's t over the folds, which understates the
        spread somewhat because their training pictures overlap, or over the seeds where there are no folds.

    Raises:
        ValueError: as of `train`; for one fold, no seed, fewer than two runs, a number out of range, or a fold without
            two comparable pictures.
    """
    check_numbers(folds, seeds, fold, seed)
    configs = configs_of(config, folds, seeds)
    for number in range(folds):
        # Known before hours are spent on the folds before it.
        test = open_pictures(configs[number, 0])["test"]
        pairs_to_compare(test.scores, test.groups, config.pairs.min_gap, given=test.pairs)
    for number, one in configs.items():
        if fold in (None, number[0]) and seed in (None, number[1]):
            path = os.path.join(workdir, name_of(number, folds, seeds))
            if train(one, path).size or finished(path, one) is None:
                evaluate(path)
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
    """Refuses numbers of folds and seeds that are not at least two runs, and numbers of one that are not there."""
    if folds == 1 or folds < 0 or seeds < 1 or max(folds, 1) * seeds < 2:
        raise ValueError(
            f"folds must be 0 or at least 2, seeds at least 1, and both together at least two runs, got "
            f"folds={folds} and seeds={seeds}"
        )
    for name, value, count in (("fold", fold, folds), ("seed", seed, seeds)):
        if value is not None and not 0 <= value < count:
            raise ValueError(f"{name} must be in [0, {count}), got {value}")


def configs_of(config, folds, seeds):
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


def name_of(number, folds, seeds):
    """Folder of a run in the folder of all."""
    parts = ([f"fold_{number[0]}"] if folds else []) + ([f"seed_{number[1]}"] if seeds > 1 else [])
    return "_".join(parts)


def finished(path, config):
    """The measures of a run that was evaluated, None if it was not, or was one of another config."""
    theirs, metrics = folder.read_config(path), folder.read_metrics(path)
    if theirs is None or metrics is None:
        return None
    return None if differences(config, with_defaults(theirs)) else metrics


def parts_of(results, folds):
    """Results by (number of the fold, number of the seed) as lists over independent parts: folds, or else seeds."""
    parts = {}
    for (fold, seed), result in results.items():
        parts.setdefault(fold if folds else seed, []).append(result)
    return list(parts.values())
