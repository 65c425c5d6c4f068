"""The files of a run's folder: their names, and the one place that reads and writes those that several rooms share.

config.json         the config, written by training
metrics.jsonl       a line every few steps, by training
timing.json         how long training took, by training
checkpoints/        see `checkpoints`
training_scores.json  see `percentiles`
metrics.json, scores.csv, pairs.csv   of an evaluation; of a split other than "test" with the split's name in front
report.html         by the report
"""

import csv
import json
import os
from importlib import metadata

import numpy as np

import lena_jax
from lena_jax.config import as_json
from lena_jax.data.pairs import read_pairs, write_pairs
from lena_jax.runtime.files import write_whole

PACKAGES = ("jax", "flax", "optax")
LOG, TIMING, REPORT = "metrics.jsonl", "timing.json", "report.html"
_CONFIG, _METRICS, _SCORES, _PAIRS = "config.json", "metrics.json", "scores.csv", "pairs.csv"


def path_of(workdir, name, split="test"):
    """The path of a file of an evaluation: that of the test pictures has no prefix."""
    return os.path.join(workdir, name if split == "test" else f"{split}_{name}")


def write_json(path, value):
    """Writes JSON values, whole or not at all; numbers that are not finite are refused."""
    write_whole(path, lambda file: json.dump(value, file, indent=2, allow_nan=False))


def write_config(workdir, config):
    """Writes the run's config."""
    write_json(os.path.join(workdir, _CONFIG), as_json(config))


def read_config(workdir):
    """The run's config as a dict of JSON values, None if there is none."""
    return _json(os.path.join(workdir, _CONFIG))


def read_log(workdir):
    """The rows of `metrics.jsonl`, without those that a kill or a bad disk left unreadable; [] if there is none."""
    try:
        with open(os.path.join(workdir, LOG), encoding="utf-8", errors="replace") as file:
            return [row for line in file if line.endswith("\n") and (row := _row(line))]
    except FileNotFoundError:
        return []


def read_timing(workdir):
    """What `train.log.RunClock` wrote, or None."""
    return _json(os.path.join(workdir, TIMING))


def versions():
    """The versions of this package and of `PACKAGES`."""
    return {"lena_jax": lena_jax.__version__, **{name: metadata.version(name) for name in PACKAGES}}


def write_evaluation(workdir, split, metrics, pictures, scores, pairs):
    """Writes what an evaluation found: `scores.csv`, `pairs.csv`, and `metrics.json` last.

    Args:
        workdir: folder of the run.
        split: the evaluated part.
        metrics: JSON values.
        pictures: `ScoredPictures`, n of them.
        scores: [n] predicted.
        pairs: [p, 2] indices of the pairs compared, the truly higher picture in column 0.
    """
    write_whole(path_of(workdir, _SCORES, split), lambda file: _score_table(file, pictures, scores))
    write_whole(path_of(workdir, _PAIRS, split), lambda file: write_pairs(file, pictures.ids, pairs))
    write_json(path_of(workdir, _METRICS, split), metrics)


def write_metrics(workdir, metrics):
    """Writes the measures of several runs together, which have no scores of their own."""
    write_json(path_of(workdir, _METRICS), metrics)


def read_metrics(workdir, split="test"):
    """The measures that an evaluation left, None if there are none.

    Raises:
        ValueError: if the file is damaged.
    """
    return _json(path_of(workdir, _METRICS, split))


def metrics_of_step(workdir, step, split="test"):
    """The measures of one checkpoint; None where there are none, or they are of another, or not readable."""
    try:
        metrics = read_metrics(workdir, split)
        return metrics if metrics["step"] == step else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_scores(workdir, split="test"):
    """{id: row of `scores.csv`} of an evaluation.

    Raises:
        FileNotFoundError: if there is none.
    """
    with open(path_of(workdir, _SCORES, split), newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def has_scores(workdir, split="test"):
    """Whether the tables of an evaluation are there."""
    return all(os.path.exists(path_of(workdir, name, split)) for name in (_SCORES, _PAIRS))


def pairs_path(workdir, split="test"):
    """Path of the pairs that an evaluation compared."""
    return path_of(workdir, _PAIRS, split)


def read_predicted(workdir, pictures, split="test"):
    """The predicted scores of an evaluation, in the order of its pictures.

    Args:
        workdir: folder of the run.
        pictures: `ScoredPictures`, n of them.
        split: the evaluated part.

    Returns:
        [n] float64.

    Raises:
        FileNotFoundError: if there is no evaluation.
        ValueError: if it is of other pictures.
    """
    rows = read_scores(workdir, split)
    if set(rows) != set(pictures.ids.tolist()):
        raise ValueError(
            f"{path_of(workdir, _SCORES, split)!r} is of other pictures: got {len(rows)} ids, expected "
            f"those of the {len(pictures)} {split} pictures. Evaluate again"
        )
    return np.array([float(rows[name]["predicted"]) for name in pictures.ids.tolist()])


def read_compared(workdir, ids, split="test"):
    """The pairs that an evaluation compared, [p, 2] indices into `ids`."""
    return read_pairs(pairs_path(workdir, split), ids)


def _json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def _row(line):
    try:
        row = json.loads(line)
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
