"""Every pooling on one data set, with every fusion, over folds and seeds: the runs, and the table of what they say."""

import dataclasses
import json
import os

import ml_collections

from lena_jax.config import as_json
from lena_jax.evaluation.compare_runs import put_together
from lena_jax.metrics import compare_trainings, holm, paired_t
from lena_jax.models.siamese import FUSIONS
from lena_jax.pooling import POOLINGS
from lena_jax.runs.folder import read_timing
from lena_jax.runtime.files import write_whole
from lena_jax.studies import repeated_runs
from lena_jax.studies import report as study_report
from lena_jax.studies.scalars import mean_interval, mean_measures, scalar_measures
from lena_jax.studies.study import RUNS, run_missing

MEASURES = ("pair_accuracy", "spearman")


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        config: of every run but for what the study sets: `pooling` and its main option, `fusion`, folds and seed.
        poolings: names of `POOLINGS`, with a value of the main option if wanted: "lena", "top_n:5".
        fusions: some of `siamese.FUSIONS`.
        folds: number of folds, >= 2; 0 for the data set's own splits.
        seeds: number of seeds, counted from `config.seed`; at least 2 without folds.
        against: the pooling that the others are compared with, one of `poolings`.

    Raises:
        ValueError: for unknown or repeated names, a value where there is no main option, an `against` that is not among
            the poolings, or fewer than two runs of each.
    """

    config: ml_collections.ConfigDict
    poolings: tuple
    fusions: tuple = ("none",)
    folds: int = 0
    seeds: int = 1
    against: str = "average"

    def __post_init__(self):
        repeated_runs.check_numbers(self.folds, self.seeds)
        for what, given in (("poolings", self.poolings), ("fusions", self.fusions)):
            if not given or len(set(given)) < len(given):
                raise ValueError(f"{what} must be different ones, at least one, got {','.join(given) or 'none'}")
        for pooling in self.poolings:
            parse_pooling(pooling)
        for fusion in self.fusions:
            if fusion not in FUSIONS:
                raise ValueError(f"got fusion {fusion!r}, expected some of {','.join(FUSIONS)}")
        if self.against not in self.poolings:
            raise ValueError(
                f"what the others are compared with must be one of the poolings, got {self.against!r} and "
                f"the poolings {','.join(self.poolings)}"
            )

    def configs(self):
        """{folder: config} of all runs, by fusion, then pooling, then fold, then seed."""
        return {folder: config for row in self.rows() for folder, config in self.runs(*row).values()}

    def rows(self):
        """(pooling, fusion) of each row of the table."""
        return [(pooling, fusion) for fusion in self.fusions for pooling in self.poolings]

    def runs(self, pooling, fusion):
        """{(number of the fold, number of the seed): (folder, config)} of one row."""
        config = ml_collections.ConfigDict(self.config.to_dict())
        config.pooling, options = parse_pooling(pooling)
        config.fusion = fusion
        for option, value in options.items():
            config.pooling_options[config.pooling][option] = value
        folder = os.path.join(RUNS, fusion, pooling.replace(":", "_"))
        return {
            number: (os.path.join(folder, repeated_runs.name_of(number, self.folds, self.seeds)), one)
            for number, one in repeated_runs.configs_of(config, self.folds, self.seeds).items()
        }

    def shared(self):
        """What every table in one folder must have in common, as JSON values; poolings and fusions may be added."""
        config = as_json(self.config)
        for key in ("pooling", "fusion"):
            del config[key]
        for key in ("folds", "fold"):
            del config["data"][key]
        return {"kind": "poolings", "config": config, "folds": self.folds, "seeds": self.seeds}


def parse_pooling(text):
    """("top_n", {"n": 5.0}) of "top_n:5", ("max", {}) of "max".

    Raises:
        ValueError: for an unknown pooling, one without a main option, or a value that is no number.
    """
    name, colon, value = text.partition(":")
    if name not in POOLINGS:
        raise ValueError(f"got pooling {name!r}, expected some of {','.join(POOLINGS)}")
    if not colon:
        return name, {}
    option = POOLINGS[name].main_option
    if option is None:
        others = ", ".join(record.name for record in POOLINGS.values() if record.main_option)
        raise ValueError(f"got {text!r}, expected {name!r} alone: only {others} take a value")
    try:
        return name, {option: float(value)}
    except ValueError:
        raise ValueError(f"got {text!r}, expected a number after the colon, for {option}") from None


def run(study, workdir, only=None):
    """Does the runs that are missing, and writes the table once all are there (see `study_report.write_poolings`).

    Args:
        study: `Study`.
        workdir: folder for all of it; the runs lie in `workdir/cells`.
        only: number of the only run to do, as in a cluster's job array; None for all.

    Returns:
        The table (`table_of`), None while runs are missing.

    Raises:
        ValueError: as of `study.run_missing`.
    """
    results = run_missing(workdir, study.shared(), study.configs(), only)
    if results is None:
        return None
    table = table_of(study, workdir, results)
    write_whole(os.path.join(workdir, "table.json"), lambda file: json.dump(table, file, indent=2, allow_nan=False))
    study_report.write_poolings(table, workdir)
    return table


def table_of(study, workdir, results):
    """The table of finished runs.

    Two kinds of chance are kept apart. *New pictures*: interval and p-value of the difference from the baseline are of
    `compare_trainings`, on the test pictures of all folds, with each pair's correctness averaged over the seeds; they
    hold for these trainings. *New trainings*: under "runs" is a paired t test over the seeds, or over the folds with
    the correction that their common training pictures need (`paired_t`); over seeds it holds for these test pictures.
    That one pooling is better as a method is claimed with good reason only where both are small. Each kind's p-values
    are corrected for the number of rows by Holm, in each measure by itself. Rows with objectness are compared in the
    same two ways with the same pooling without ("without"), corrected by themselves.

    Returns:
        {"data", "folds", "seeds", "against", "pictures", "pairs", "unit", "rows": [{"pooling", "fusion", "runs": how
        many, "mean": {measure: {"value", "low", "high"}}, "seconds": of training a run, "support": {"cells", "median",
        "low", "high": 5 % and 95 % of channels} or None, "against": None for the baseline, else {measure:
        {"difference", "low", "high", "p_value", "p_holm", "runs": {"difference", "low", "high", "p_value",
        "p_holm"}}}, "without": the same, None where there is no such row}]}. Means and t intervals are as of
        `repeated_runs.run`.
    """
    rows = [_row(study, workdir, results, *row) for row in study.rows()]
    predicted, facts = _predictions(study, workdir)
    for row in rows:
        pooling, fusion = row["pooling"], row["fusion"]
        for key, other, wanted in (
            ("against", (study.against, fusion), pooling != study.against),
            ("without", (pooling, "none"), fusion != "none" and "none" in study.fusions),
        ):
            if wanted:
                row[key] = _compared(study, results, (pooling, fusion), other, predicted, facts)
    for key in ("against", "without"):
        for measure in MEASURES:
            for part in (lambda one: one, lambda one: one["runs"]):
                compared = [part(row[key][measure]) for row in rows if row[key]]
                for one, p in zip(compared, holm([one["p_value"] for one in compared]), strict=True):
                    one["p_holm"] = p
    return {
        "data": facts["data"],
        "folds": study.folds,
        "seeds": study.seeds,
        "against": study.against,
        **{
            key: next((row["against"][key] for row in rows if row["against"]), None)
            for key in ("pictures", "pairs", "unit", "units")
        },
        "rows": [_tidy(row) for row in rows],
    }


def _row(study, workdir, results, pooling, fusion):
    runs = study.runs(pooling, fusion)
    metrics = {number: results[folder] for number, (folder, _) in runs.items()}
    parts = repeated_runs.parts_of(metrics, study.folds)
    mean = mean_measures(parts)
    eta = [one["eta"] for one in metrics.values() if "eta" in one]
    support = (
        None
        if not eta
        else {
            "cells": eta[0]["cells"],
            **{
                name: sum(one["support_size"][quantile] for one in eta) / len(eta)
                for name, quantile in (("median", "50"), ("low", "5"), ("high", "95"))
            },
        }
    )
    clocks = [read_timing(os.path.join(workdir, folder)) for folder, _ in runs.values()]
    seconds = mean_interval([[clock["seconds"]] for clock in clocks])["value"] if None not in clocks else None
    return {
        "pooling": pooling,
        "fusion": fusion,
        "runs": len(runs),
        "mean": mean,
        "seconds": seconds,
        "support": support,
        "against": None,
        "without": None,
    }


def _predictions(study, workdir):
    """{row: [s, n] predicted} of the test pictures of all folds, and what is known of those pictures."""
    runs = {row: study.runs(*row) for row in study.rows()}
    folds = sorted({fold for fold, _ in next(iter(runs.values()))})
    whole = put_together(
        [
            [os.path.join(workdir, one[fold, seed][0]) for one in runs.values() for seed in range(study.seeds)]
            for fold in folds
        ]
    )
    each = study.seeds
    return {row: whole["predicted"][place * each : (place + 1) * each] for place, row in enumerate(runs)}, whole


def _compared(study, results, row, other, predicted, facts):
    compared = compare_trainings(
        predicted[row], predicted[other], facts["scores"], facts["groups"], facts["pairs"], clusters=facts["clusters"]
    )
    # Pictures of a test part for each that trains.
    overlap = 1 / ((study.folds - 1) * (1 - study.config.data.validation)) if study.folds else 0.0
    for measure in MEASURES:
        sides = []
        for one in (row, other):
            scalars = {
                number: scalar_measures(results[folder])[measure] for number, (folder, _) in study.runs(*one).items()
            }
            sides.append([mean_interval([part])["value"] for part in repeated_runs.parts_of(scalars, study.folds)])
        differences = [None if None in both else both[0] - both[1] for both in zip(*sides, strict=True)]
        compared[measure]["runs"] = (
            paired_t(differences, overlap)
            if None not in differences
            else dict.fromkeys(("difference", "low", "high", "p_value", "runs"))
        )
    return compared


def _tidy(row):
    """A row without what is the same in all."""
    return {
        **row,
        **{key: row[key] and {measure: row[key][measure] for measure in MEASURES} for key in ("against", "without")},
    }
