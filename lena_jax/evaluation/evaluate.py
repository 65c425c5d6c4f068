"""Evaluate a checkpoint: measures, a table of scores and maps, as `experiments/evaluate.py` does."""

import math

import numpy as np
from scipy.special import expit

from lena_jax.data.pairs import read_pairs
from lena_jax.evaluation import map_checks
from lena_jax.evaluation.map_sheet import save_map_sheet
from lena_jax.localization import on_picture
from lena_jax.metrics import (
    CLUSTERS,
    accuracy_by_gap,
    accuracy_by_group,
    calibration_metrics,
    choice_metrics,
    localization_metrics,
    pairs_to_compare,
    people_metrics,
    picture_localization,
    ranking_metrics,
    reference_of,
)
from lena_jax.models.predict import predict
from lena_jax.models.shares import eta_distribution
from lena_jax.runs import folder, percentiles
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import open_trained_pictures


def evaluate(workdir, split="test", data_dir=None, pairs=None, check_maps=0, predictor=predict, sheet=True):
    """Evaluates the best checkpoint of a run. Needs only the checkpoint and the dataset.

    Writes into `workdir`: `metrics.json`, `scores.csv` (id, group, true and predicted score), `pairs.csv` (ids of the
    compared pairs) and `maps.png`. For a split other than `test`, file names begin with the split, such as
    `train_metrics.json`. Also writes percentiles and baseline of a run that lacks them (`percentiles`).

    Args:
        workdir: folder of the run.
        split: "train", "validation" or "test", as defined by the run's config.
        data_dir: where the dataset is now; None for where it was during training.
        pairs: path of the `pairs.csv` of another evaluation, to compare exactly the same pairs. The file then also says
            which picture of a pair is higher. None for all comparable pairs (at most `metrics.MOST_PAIRS`).
        check_maps: number of pictures whose maps to check by occlusion, insertion and deletion. Each takes several
            hundred passes of the network (`map_checks`).
        predictor: function that computes scores and maps, with the signature of `predict`.
        sheet: whether to draw `maps.png`.

    Returns:
        The dict in `metrics.json`: what was evaluated (`data`, `fingerprint` of the dataset and its splits, `split`,
        `step`, `pooling`, `fusion`), the measures of `ranking_metrics`, `calibration`, `accuracy_by_gap` and, with few
        groups, `accuracy_by_group`. Pairs that people judged have `choices` (`metrics.choice_metrics` and
        `people_metrics`). Where available also `eta`, `gate` (how far a learned one closes, in [0, 1]),
        `localization` (per kind of map, for datasets with masks) and `map_checks`.

    Raises:
        ValueError: there is no checkpoint, the split has no pictures, `pairs` names other pictures, or a score is not
            finite.
    """
    run = load_ranker(workdir)
    model, variables, config, data, step = run
    if data_dir is not None:
        config.data.dir = data_dir
    parts = open_trained_pictures(workdir, config, data)
    if parts.get(split) is None:
        raise ValueError(
            f"split {split!r} of dataset {config.data.name!r} has no pictures, expected one of "
            f"{sorted(name for name, part in parts.items() if part is not None)}"
        )
    pictures = parts[split]
    if check_maps and pictures.time:
        raise ValueError(
            f"got check_maps={check_maps} for clips, expected 0: only maps of still pictures can be checked"
        )
    compared = (
        pairs_to_compare(pictures.scores, pictures.groups, config.pairs.min_gap, given=pictures.decided_pairs())
        if pairs is None
        else read_pairs(pairs, pictures.ids)
    )
    # Contributions may be counted from the mean of the training pictures.
    variables = model.with_baseline(variables, percentiles.ensure(workdir, run, parts["train"], predictor).pooled)
    scores, contributions, virality = predictor(model, variables, pictures, config.batch_size, f"scoring {split}")
    percentiles.check_finite(workdir, scores, pictures.ids, "pictures")
    metrics = {
        "data": config.data.name,
        "fingerprint": data,
        "split": split,
        "step": step,
        "pooling": config.pooling,
        "fusion": config.fusion,
        **({"clip_pooling": config.clip_pooling} if pictures.time else {}),
        **ranking_metrics(scores, pictures.scores, pictures.groups, pairs=compared),
        "calibration": calibration_metrics(scores, compared, pictures.groups),
        "accuracy_by_gap": accuracy_by_gap(scores, pictures.scores, compared),
    }
    if pictures.groups is not None and len(np.unique(pictures.groups)) < CLUSTERS:
        metrics["accuracy_by_group"] = accuracy_by_group(scores, compared, pictures.groups)
    if pictures.judged is not None:
        reference = reference_of(len(pictures), pictures.pairs, pictures.judged)
        metrics["choices"] = choice_metrics(scores, pictures.pairs, pictures.judged, pictures.groups, reference)
        metrics["choices"] |= people_metrics(len(pictures), pictures.pairs, pictures.judged.votes)
    # Maps sum to the score minus the bias only if the pooled value is a weighted sum of the cells.
    exact = model.has_exact_maps
    maps = {"contribution_map": contributions} if exact else {}
    maps["virality_map"] = virality
    pooled_together = slice(1, None) if config.clip_pooling == "joint" else slice(-2, None)
    shares = eta_distribution(config, variables, math.prod(contributions.shape[pooled_together]))
    if shares is not None:
        metrics["eta"] = shares
    if config.fusion == "learned_gate":
        metrics["gate"] = float(expit(variables["params"]["gate"]))
    if "mask" in pictures.record(0):
        metrics["localization"] = _mask_measures(pictures, maps, model.resize)
    if check_maps and model.resize == "pad":
        raise ValueError("got check_maps for a model with resize 'pad', expected 'squash' or 'crop'")
    if check_maps:
        metrics["map_checks"] = map_checks.check_maps(model, variables, pictures, maps, check_maps, config.batch_size)
    folder.write_evaluation(workdir, split, metrics, pictures, scores, compared)
    if sheet:
        save_map_sheet(
            folder.path_of(workdir, "maps.png", split),
            pictures,
            scores,
            contributions if exact else virality,
            "contribution of a cell to the score" if exact else "virality map",
            resize=model.resize,
        )
    return metrics


def _mask_measures(pictures, maps, resize):
    """Computes `localization_metrics` per kind of map, at mask resolution. Empty if all masks are empty."""
    found = {kind: [] for kind in maps}
    for index in range(len(pictures)):
        mask = pictures.record(index)["mask"][..., 0] > 0
        if mask.any():
            full = np.asarray(on_picture(np.stack([each[index] for each in maps.values()]), *mask.shape, resize))
            for kind, one in zip(maps, full, strict=True):
                found[kind].append(picture_localization(one, mask))
    return {kind: localization_metrics(each) for kind, each in found.items() if each}
