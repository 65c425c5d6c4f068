"""Measure a run that was trained on all pictures by the runs of its folds, each of which left some pictures out."""

import numpy as np

from lena_jax.metrics import (
    accuracy_by_gap,
    calibration_metrics,
    choice_metrics,
    people_metrics,
    ranking_metrics,
    reference_of,
)
from lena_jax.runs import folder
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import open_trained_pictures


def measure_by_folds(workdir, folds, more=None):
    """Writes the evaluation "folds" of a run (`runs.folder`) from the evaluations of its folds.

    Every picture has the score that a model gave it which was trained without it. Pairs and correlations stay within a
    fold, because scores of different models cannot be compared.

    Args:
        workdir: folder of a run that was trained on all pictures.
        folds: folders of evaluated runs with the same config, one per fold. They may be fewer than all folds.
        more: further JSON values to store with the measures.

    Returns:
        The measures: "folds", "pictures", "pairs", those of `ranking_metrics`, `calibration` and `accuracy_by_gap`. For
        pairs that people judged also "choices" (`metrics.choice_metrics`) and "pairs_across_folds".

    Raises:
        ValueError: if a fold has a picture that the run has not, or two folds have the same.
    """
    run = load_ranker(workdir)
    pictures = open_trained_pictures(workdir, run.config, run.fingerprint)["train"]
    place = {name: index for index, name in enumerate(pictures.ids.tolist())}
    predicted, fold_of, pairs = np.full(len(pictures), np.nan), np.full(len(pictures), -1), []
    for number, fold in enumerate(folds):
        for name, row in folder.read_scores(fold).items():
            if name not in place or fold_of[place[name]] >= 0:
                raise ValueError(f"got picture {name!r} in {str(fold)!r}, expected every picture of {workdir!r} once")
            predicted[place[name]], fold_of[place[name]] = float(row["predicted"]), number
        pairs.append(folder.read_compared(fold, pictures.ids))
    measured = np.flatnonzero(fold_of >= 0)
    chosen, pairs = pictures.subset(measured), np.searchsorted(measured, np.concatenate(pairs))
    names = [""] * len(chosen) if chosen.groups is None else chosen.groups.tolist()
    groups = np.array([f"{fold} {name}" for fold, name in zip(fold_of[measured].tolist(), names, strict=True)])
    metrics = {
        "data": run.config.data.name,
        "fingerprint": run.fingerprint,
        "split": folder.FOLDS,
        "folds": len(folds),
        "step": run.step,
        "pooling": run.config.pooling,
        "fusion": run.config.fusion,
        **ranking_metrics(predicted[measured], chosen.scores, groups, pairs=pairs),
        "calibration": calibration_metrics(predicted[measured], pairs, groups),
        "accuracy_by_gap": accuracy_by_gap(predicted[measured], chosen.scores, pairs),
        **(more or {}),
    }
    if pictures.judged is not None:
        # The reference may use votes about all pairs; those across folds are not measured.
        reference = reference_of(len(pictures), pictures.pairs, pictures.judged)
        inside = (fold_of[pictures.pairs] >= 0).all(1) & (np.diff(fold_of[pictures.pairs])[:, 0] == 0)
        metrics["choices"] = choice_metrics(
            predicted[measured],
            np.searchsorted(measured, pictures.pairs[inside]),
            pictures.judged.take(inside),
            groups,
            None if reference is None else reference[inside],
        )
        metrics["choices"] |= people_metrics(len(pictures), pictures.pairs, pictures.judged.votes)
        metrics["pairs_across_folds"] = int((~inside).sum())
    folder.write_evaluation(workdir, folder.FOLDS, metrics, chosen, predicted[measured], pairs)
    return metrics
