"""Two evaluated runs against each other on the same pictures and pairs."""

import filecmp
import os

import numpy as np

from lena_jax.data.splits import without_maps
from lena_jax.metrics import compare_models
from lena_jax.runs import folder


def compare_runs(workdirs, split="test", output=None):
    """Compares two evaluations as `compare_models` does, from the files they left (`evaluation.evaluate`).

    Folds are compared with folds: where both folders hold runs over the same folds (`repeated_runs.run`, one seed),
    the test pictures of all folds are put together, and pairs and correlations stay within a fold. The unit of interval
    and test is then still the picture; that the folds' trainings share pictures is not in them.

    Args:
        workdirs: (first, second), folders of the runs.
        split: the evaluated part.
        output: path of the JSON to write, or None.

    Returns:
        The dict of `compare_models`, with "workdirs", "data" and "split".

    Raises:
        ValueError: unless two folders are given that hold evaluations of one data set, parted the same way, with the
            same pairs.
    """
    if len(workdirs) != 2:
        raise ValueError(f"workdirs must be two folders, got {len(workdirs)}: {','.join(workdirs) or 'none'}")
    folds = [_folds(workdir) for workdir in workdirs]
    if folds[0] != folds[1]:
        raise ValueError(
            f"the folds must be the same ones, got {folds[0] or 'none'} in {workdirs[0]!r} and "
            f"{folds[1] or 'none'} in {workdirs[1]!r}"
        )
    whole = put_together(
        [[os.path.join(workdir, fold) for workdir in workdirs] for fold in folds[0]] or [workdirs], split
    )
    result = {
        "workdirs": list(workdirs),
        "data": whole["data"],
        "split": split,
        **compare_models(
            *whole["predicted"], whole["scores"], whole["groups"], whole["pairs"], clusters=whole["clusters"]
        ),
    }
    if output is not None:
        folder.write_json(output, result)
    return result


def _folds(workdir):
    """The folders of a run over folds, [] for a single run."""
    runs = sorted((folder.read_metrics(workdir) or {}).get("runs", {}))
    if any("seed" in name for name in runs):
        raise ValueError(
            f"{workdir!r} has several runs of the same pictures, {', '.join(runs)}: compare one of them, "
            f"such as {os.path.join(workdir, runs[0])!r}"
        )
    return runs


def put_together(parts, split="test"):
    """Evaluations of the same pictures side by side, and those of different pictures (folds) one after the other.

    Args:
        parts: lists of equally many folders of runs; those of one list were evaluated on the same pictures and pairs.
        split: the evaluated part.

    Returns:
        {"data": name of the data set, "scores": [n] true, "groups": [n] or None, "clusters": [n] or None, "pairs":
        [p, 2], "predicted": [n] scores of each run of a part}. Pairs and groups stay within a part; clusters are the
        groups of the data set, each of which may be in several parts.

    Raises:
        ValueError: unless the runs of a part are evaluations of one data set, parted the same way, with the same pairs.
    """
    parts = [_compared(workdirs, split) for workdirs in parts]
    offsets = np.cumsum([0] + [len(part["scores"]) for part in parts])
    groups = np.concatenate([[f"{number} {name}" for name in part["groups"]] for number, part in enumerate(parts)])
    clusters = np.concatenate([part["groups"] for part in parts])
    return {
        "data": parts[0]["data"],
        "scores": np.concatenate([part["scores"] for part in parts]),
        "clusters": clusters if len(np.unique(clusters)) > 1 else None,
        "groups": groups if len(np.unique(groups)) > 1 else None,
        "pairs": np.concatenate([part["pairs"] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        "predicted": [np.concatenate(one) for one in zip(*(part["predicted"] for part in parts), strict=True)],
    }


def _compared(workdirs, split):
    """What evaluations of the same pictures say: {"data", "scores", "groups", "predicted": one each, "pairs"}."""
    metrics, tables = zip(*(_evaluation(workdir, split) for workdir in workdirs), strict=True)
    for key in ("data", "fingerprint"):
        values = [one.get(key) for one in metrics]
        if None in values:
            raise ValueError(
                f"the evaluation in {workdirs[values.index(None)]!r} does not say on which data it was "
                "made: run experiments/evaluate.py again"
            )
        # A run that looks at objectness maps is compared with one that does not: what is ranked is the same.
        values = [without_maps(value) for value in values]
        for workdir, value in zip(workdirs, values, strict=True):
            if value != values[0]:
                raise ValueError(
                    f"{workdirs[0]!r} and {workdir!r} must be evaluated on the same data set, parted the "
                    f"same way, got the {key} {values[0][:20]!r} and {value[:20]!r}"
                )
    ids = sorted(tables[0])
    paths = [folder.pairs_path(workdir, split) for workdir in workdirs]
    pairs = folder.read_compared(workdirs[0], ids, split)
    for workdir, path in zip(workdirs[1:], paths[1:], strict=True):
        # Most often the files are equal, and reading tens of thousands of pairs takes a second.
        if os.path.isfile(path) and filecmp.cmp(paths[0], path, shallow=False):
            continue
        others = folder.read_compared(workdir, ids, split)
        if not np.array_equal(*(np.unique(one, axis=0) for one in (pairs, others))):
            raise ValueError(
                f"{workdirs[0]!r} and {workdir!r} compared different pairs, {len(pairs)} and "
                f"{len(others)}: evaluate the second with --pairs={paths[0]}"
            )
    rows = [tables[0][name] for name in ids]
    return {
        "data": metrics[0]["data"],
        "scores": np.array([float(row["score"]) for row in rows]),
        "groups": [row["group"] for row in rows],
        "pairs": pairs,
        "predicted": [np.array([float(table[name]["predicted"]) for name in ids]) for table in tables],
    }


def _evaluation(workdir, split):
    """(metrics, {id: row of the table of scores}) of one evaluation."""
    metrics = folder.read_metrics(workdir, split)
    if metrics is None or not folder.has_scores(workdir, split):
        raise ValueError(
            f"no evaluation of the {split} pictures in {workdir!r}: metrics.json, scores.csv or pairs.csv "
            f"is missing. Run experiments/evaluate.py --workdir={workdir}"
        )
    return metrics, folder.read_scores(workdir, split)
