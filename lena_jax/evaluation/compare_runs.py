"""Compare two evaluated runs on the same pictures and pairs."""

import filecmp
import os

import numpy as np

from lena_jax.data.splits import without_maps
from lena_jax.metrics import compare_models
from lena_jax.runs import folder
from lena_jax.runtime.untrusted import damage_in


def compare_runs(workdirs, split="test", output=None):
    """Compares two evaluated runs with `compare_models`. Reads only the files that `evaluation.evaluate` wrote.

    If both folders hold runs over the same folds (`repeated_runs.run` with one seed), the test pictures of all folds
    are pooled, and pairs and correlations stay within a fold. Intervals and p-values still resample pictures; they do
    not account for the training pictures that folds share.

    Args:
        workdirs: (first, second), folders of the runs.
        split: the evaluated split.
        output: path of the JSON file to write, or None.

    Returns:
        The dict of `compare_models`, with "workdirs", "data" and "split".

    Raises:
        ValueError: `workdirs` are not two folders with evaluations of the same dataset, splits and pairs.
    """
    if len(workdirs) != 2:
        raise ValueError(f"workdirs must be two folders, got {len(workdirs)}: {','.join(workdirs) or 'none'}")
    with damage_in(f"metrics.json, scores.csv or pairs.csv in {workdirs[0]!r} or {workdirs[1]!r}"):
        return _compare(workdirs, split, output)


def _compare(workdirs, split, output):
    folds = [_folds(workdir) for workdir in workdirs]
    if folds[0] != folds[1]:
        raise ValueError(
            f"both runs must have the same folds, got {folds[0] or 'none'} in {workdirs[0]!r} and "
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
    """Lists the folders of the folds of a run; empty for a single run."""
    runs = sorted((folder.read_metrics(workdir) or {}).get("runs", {}))
    if any("seed" in name for name in runs):
        raise ValueError(
            f"{workdir!r} holds several runs on the same pictures, {', '.join(runs)}: compare one of them, "
            f"such as {os.path.join(workdir, runs[0])!r}"
        )
    return runs


def put_together(parts, split="test"):
    """Combines evaluations: runs on the same pictures side by side, different pictures (folds) one after the other.

    Args:
        parts: one list of run folders per fold, all of the same length. The runs of one list were evaluated on the same
            pictures and pairs.
        split: the evaluated split.

    Returns:
        {"data": name of the dataset, "scores": [n] true scores, "groups": [n] or None, "clusters": [n] or None,
        "pairs": [p, 2], "predicted": list of [n] scores, one per run in a list}. Pairs and groups stay within a fold.
        Clusters are the groups of the dataset, which may span several folds.

    Raises:
        ValueError: the runs of a list were not evaluated on the same dataset, splits and pairs.
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
    """Reads evaluations of the same pictures: {"data", "scores", "groups", "predicted": one per run, "pairs"}."""
    metrics, tables = zip(*(_evaluation(workdir, split) for workdir in workdirs), strict=True)
    for key in ("data", "fingerprint"):
        values = [one.get(key) for one in metrics]
        if None in values:
            raise ValueError(
                f"the evaluation in {workdirs[values.index(None)]!r} does not name its dataset: run "
                "experiments/evaluate.py again"
            )
        # Objectness maps are an input only. Runs with and without them rank the same pictures and can be compared.
        values = [without_maps(value) for value in values]
        for workdir, value in zip(workdirs, values, strict=True):
            if value != values[0]:
                raise ValueError(
                    f"{workdirs[0]!r} and {workdir!r} must be evaluated on the same dataset with the same "
                    f"splits, got the {key} {values[0][:20]!r} and {value[:20]!r}"
                )
    ids = sorted(tables[0])
    paths = [folder.pairs_path(workdir, split) for workdir in workdirs]
    pairs = folder.read_compared(workdirs[0], ids, split)
    for workdir, path in zip(workdirs[1:], paths[1:], strict=True):
        # The files are usually equal, and reading tens of thousands of pairs takes a second.
        if os.path.isfile(path) and filecmp.cmp(paths[0], path, shallow=False):
            continue
        others = folder.read_compared(workdir, ids, split)
        if not np.array_equal(*(np.unique(one, axis=0) for one in (pairs, others))):
            raise ValueError(
                f"{workdirs[0]!r} and {workdir!r} used different pairs, {len(pairs)} and "
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
    """Reads one evaluation: (metrics, {id: row of scores.csv})."""
    metrics = folder.read_metrics(workdir, split)
    if metrics is None or not folder.has_tables(workdir, split):
        raise ValueError(
            f"no evaluation of the {split} pictures in {workdir!r}: metrics.json, scores.csv or pairs.csv "
            f"is missing. Run experiments/evaluate.py --workdir={workdir}"
        )
    return metrics, folder.read_scores(workdir, split)
