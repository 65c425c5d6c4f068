"""Compare poolings on one dataset, with each fusion, over folds and seeds: do the runs and build their table."""

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
from lena_jax.studies.poolings_report import write_poolings
from lena_jax.studies.scalars import mean_interval, mean_measures, scalar_measures
from lena_jax.studies.study import RUNS, run_missing

MEASURES = ("pair_accuracy", "spearman")


@dataclasses.dataclass(frozen=True)
class Study:
    """What to compare.

    Attributes:
        config: config of every run, except for what the study sets: `pooling` and its main option, `fusion`, folds and
            seed.
        poolings: names from `POOLINGS`, optionally with a value for the main option: "lena", "top_n:5".
        fusions: names from `siamese.FUSIONS`.
        folds: number of folds, >= 2; 0 for the dataset's own splits.
        seeds: number of seeds, counted from `config.seed`; at least 2 without folds.
        against: the baseline, one of `poolings`.

    Raises:
        ValueError: if a name is unknown or repeated, a pooling without a main option has a value, `against` is not one
            of the poolings, or there are fewer than two runs of each.
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
                raise ValueError(f"{what} must be at least one name, each only once, got {','.join(given) or 'none'}")
        for pooling in self.poolings:
            parse_pooling(pooling)
        for fusion in self.fusions:
            if fusion not in FUSIONS:
                raise ValueError(f"got fusion {fusion!r}, expected one of {','.join(FUSIONS)}")
        if self.against not in self.poolings:
            raise ValueError(
                f"the baseline must be one of the poolings, got {self.against!r} and "
                f"the poolings {','.join(self.poolings)}"
            )

    def configs(self):
        """Return {folder: config} of all runs, ordered by fusion, pooling, fold and seed."""
        return {folder: config for row in self.rows() for folder, config in self.runs(*row).values()}

    def rows(self):
        """Return (pooling, fusion) for each row of the table."""
        return [(pooling, fusion) for fusion in self.fusions for pooling in self.poolings]

    def runs(self, pooling, fusion):
        """Return {(fold, seed): (folder, config)} for the runs of one row; seeds count from 0."""
        config = ml_collections.ConfigDict(self.config.to_dict())
        config.pooling, options = parse_pooling(pooling)
        config.fusion = fusion
        for option, value in options.items():
            config.pooling_options[config.pooling][option] = value
            if option == "init_share":
                config.head.starts = (value,)  # A solved head starts from here.
        folder = os.path.join(RUNS, fusion, pooling.replace(":", "_"))
        return {
            number: (os.path.join(folder, repeated_runs.name_of(number, self.folds, self.seeds)), one)
            for number, one in repeated_runs.configs_of(config, self.folds, self.seeds).items()
        }

    def shared(self):
        """Return what all runs in a folder share, as JSON values. Poolings and fusions may be added later."""
        config = as_json(self.config)
        for key in ("pooling", "fusion"):
            del config[key]
        for key in ("folds", "fold"):
            del config["data"][key]
        return {"kind": "poolings", "config": config, "folds": self.folds, "seeds": self.seeds}


def parse_pooling(text):
    """Parse "NAME" or "NAME:VALUE" into a pooling's name and options.

    Raises:
        ValueError: if the pooling is unknown, has no main option to set, or the value is not a number.

    Example:
        >>> parse_pooling("top_n:5"), parse_pooling("max")
        (('top_n', {'n': 5.0}), ('max', {}))
    """
    name, colon, value = text.partition(":")
    if name not in POOLINGS:
        raise ValueError(f"got pooling {name!r}, expected one of {','.join(POOLINGS)}")
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
    """Do the missing runs, and write the table once all are done (see `write_poolings`).

    Args:
        study: `Study`.
        workdir: folder of the study; the runs are in `workdir/cells`.
        only: index of the one run to do, for a cluster's job array; None for all.

    Returns:
        The table (see `table_of`), or None while runs are missing.

    Raises:
        ValueError: see `study.run_missing`.
    """
    results = run_missing(workdir, study.shared(), study.configs(), only)
    if results is None:
        return None
    table = table_of(study, workdir, results)
    write_whole(os.path.join(workdir, "table.json"), lambda file: json.dump(table, file, indent=2, allow_nan=False))
    write_poolings(table, workdir)
    return table


def table_of(study, workdir, results):
    """Build the table of finished runs.

    Each row is compared with the baseline in two ways:

    - *New pictures*: `compare_trainings` gives the interval and p-value of the difference on the test pictures of all
      folds, with each pair's correctness averaged over the seeds. They hold for these trainings.
    - *New trainings*: "runs" holds a paired t test over the seeds, or over the folds, corrected for the training
      pictures that folds share (`paired_t`). Over seeds, it holds for these test pictures.

    Claim that one pooling is the better method only if both p-values are small. The p-values of each kind and measure
    are Holm-corrected over the rows. "without" compares a row with objectness in the same two ways with the same
    pooling without objectness; its p-values are corrected separately.

    Returns:
        {"data", "folds", "seeds", "against", "pictures", "pairs", "unit", "rows": [{"pooling", "fusion", "runs": how
        many, "mean": {measure: {"value", "low", "high"}}, "seconds": mean training time of a run, "support": {"cells",
        "median", "low", "high": 5 % and 95 % of channels} or None, "against": None for the baseline, else {measure:
        {"difference", "low", "high", "p_value", "p_holm", "runs": {"difference", "low", "high", "p_value",
        "p_holm"}}}, "without": the same, or None if there is no such row}]}. For means and t intervals see
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
    """Read {row: predicted scores [seeds, n]} of the test pictures of all folds, and the facts of these pictures."""
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
    # Number of test pictures of a fold per training picture.
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
    """Drop from a row what is the same in all rows."""
    return {
        **row,
        **{key: row[key] and {measure: row[key][measure] for measure in MEASURES} for key in ("against", "without")},
    }
