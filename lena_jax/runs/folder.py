"""The files of a run's folder: their names, and the functions that read and write the shared ones.

- config.json: the config, written by training
- metrics.jsonl: one line every few steps, written by training
- timing.json: how long training took, written by training
- checkpoints/: see `checkpoints`
- training_scores.json: see `percentiles`
- metrics.json, scores.csv, pairs.csv, maps.png: written by evaluation; for a split other
  than "test", prefixed with its name; "folds" are all pictures, each as a model without it ranks it
- report.html: written by the report
"""

import csv
import json
import os
from importlib import metadata

import numpy as np

import lena_jax
from lena_jax.config import as_json, check_stored
from lena_jax.data.pairs import read_pairs, write_pairs
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.untrusted import parse_json, read_object

PACKAGES = ("jax", "flax", "optax")
LOG, TIMING, REPORT = "metrics.jsonl", "timing.json", "report.html"
INNER_VALIDATION = "inner_validation.json"
FOLDS = "folds"  # In the place of a split's name: all pictures, in the order of models that were trained without them.
_CONFIG, _METRICS, _SCORES, _PAIRS = "config.json", "metrics.json", "scores.csv", "pairs.csv"


def path_of(workdir, name, split="test"):
    """Return the path of an evaluation's file; the split's name is its prefix, except for "test"."""
    return os.path.join(workdir, name if split == "test" else f"{split}_{name}")


def write_json(path, value):
    """Write JSON values, whole or not at all; refuse numbers that are not finite."""
    write_whole(path, lambda file: json.dump(value, file, indent=2, allow_nan=False))


def write_config(workdir, config):
    """Write the run's config."""
    write_json(os.path.join(workdir, _CONFIG), as_json(config))


def read_inner_validation(workdir):
    """Read what `train.exact` chose, and the alternatives that it measured; None if there is no file."""
    return read_record(os.path.join(workdir, INNER_VALIDATION))


def read_config(workdir):
    """Read the run's config as a dict of JSON values; None if there is no file.

    Raises:
        ValueError: if the file is damaged.
    """
    path = os.path.join(workdir, _CONFIG)
    if (config := read_record(path)) is not None:
        try:
            check_stored(config)
        except ValueError as error:
            raise ValueError(f"{path!r}: {error}") from error
    return config


def read_log(workdir):
    """Read the rows of `metrics.jsonl`, skipping unreadable ones; [] if there is no file."""
    try:
        with open(os.path.join(workdir, LOG), encoding="utf-8", errors="replace") as file:
            return [row for line in file if line.endswith("\n") and (row := _row(line))]
    except FileNotFoundError:
        return []


def read_timing(workdir):
    """Read what `train.log.RunClock` wrote; None if there is no file."""
    return read_record(os.path.join(workdir, TIMING))


def versions():
    """Return the versions of this package and of `PACKAGES`."""
    return {"lena_jax": lena_jax.__version__, **{name: metadata.version(name) for name in PACKAGES}}


def write_evaluation(workdir, split, metrics, pictures, scores, pairs):
    """Write the results of an evaluation: `scores.csv`, `pairs.csv`, and last `metrics.json`.

    Args:
        workdir: folder of the run.
        split: name of the evaluated split.
        metrics: JSON values.
        pictures: `ScoredPictures`, n of them.
        scores: predicted scores [n].
        pairs: [p, 2] indices of the compared pairs; column 0 is the picture with the higher true score.
    """
    write_whole(path_of(workdir, _SCORES, split), lambda file: _score_table(file, pictures, scores))
    write_whole(path_of(workdir, _PAIRS, split), lambda file: write_pairs(file, pictures.ids, pairs))
    write_json(path_of(workdir, _METRICS, split), metrics)


def write_metrics(workdir, metrics):
    """Write `metrics.json` alone, for the measures of several runs together."""
    write_json(path_of(workdir, _METRICS), metrics)


def read_metrics(workdir, split="test"):
    """Read the measures of an evaluation; None if there is no file.

    Raises:
        ValueError: if the file is damaged.
    """
    return read_record(path_of(workdir, _METRICS, split))


def metrics_of_step(workdir, step, split="test"):
    """Read the measures of one checkpoint; None if they are missing, unreadable, or of another checkpoint."""
    try:
        metrics = read_metrics(workdir, split)
        return metrics if metrics["step"] == step else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_scores(workdir, split="test"):
    """Read an evaluation's `scores.csv` as {id: row}.

    Raises:
        FileNotFoundError: if there is no evaluation.
    """
    with open(path_of(workdir, _SCORES, split), newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def has_scores(workdir, split="test"):
    """Tell whether the scores of an evaluation exist."""
    return os.path.exists(path_of(workdir, _SCORES, split))


def has_tables(workdir, split="test"):
    """Tell whether the scores and pairs of an evaluation exist."""
    return has_scores(workdir, split) and os.path.exists(path_of(workdir, _PAIRS, split))


def pairs_path(workdir, split="test"):
    """Return the path of the pairs that an evaluation compared."""
    return path_of(workdir, _PAIRS, split)


def read_predicted(workdir, pictures, split="test"):
    """Read the predicted scores of an evaluation, in the order of the given pictures.

    Args:
        workdir: folder of the run.
        pictures: `ScoredPictures`, n of them.
        split: name of the evaluated split.

    Returns:
        [n] float64.

    Raises:
        FileNotFoundError: if there is no evaluation.
        ValueError: if the evaluation is of other pictures.
    """
    rows = read_scores(workdir, split)
    if set(rows) != set(pictures.ids.tolist()):
        raise ValueError(
            f"{path_of(workdir, _SCORES, split)!r} is of other pictures: got {len(rows)} ids, expected "
            f"those of the {len(pictures)} {split} pictures. Evaluate again"
        )
    return np.array([float(rows[name]["predicted"]) for name in pictures.ids.tolist()])


def ranked_by_folds(workdir, pictures):
    """Return those of the pictures that the evaluation "folds" has: all, unless folds are missing."""
    rows = read_scores(workdir, FOLDS)
    return pictures.subset([index for index, name in enumerate(pictures.ids.tolist()) if name in rows])


def read_compared(workdir, ids, split="test"):
    """Read the pairs that an evaluation compared, as indices [p, 2] into `ids`."""
    return read_pairs(pairs_path(workdir, split), ids)


def read_record(path):
    """Read a JSON file that holds an object, as a dict; None if there is no file.

    Raises:
        ValueError: if the file is damaged; the message names it.
    """
    try:
        return read_object(path)
    except FileNotFoundError:
        return None


def _row(line):
    try:
        row = parse_json(line)
        return row if int(row["step"]) > 0 else None
    except (ValueError, KeyError, TypeError):
        return None


def _score_table(file, pictures, scores):
    writer = csv.writer(file)
    writer.writerow(["id", "group", "score", "predicted"])
    for index in np.argsort(-scores):
        writer.writerow(
            [
                pictures.ids[index],
                "" if pictures.groups is None else pictures.groups[index],
                float(pictures.scores[index]),
                float(scores[index]),
            ]
        )
