"""From a checkpoint alone to measures, a table of scores and pictures of where: what `experiments/evaluate.py` does."""

import math

import numpy as np

from lena_jax.data.pairs import read_pairs
from lena_jax.evaluation import map_checks
from lena_jax.evaluation.map_sheet import save_map_sheet
from lena_jax.localization import upsample
from lena_jax.metrics import (
    CLUSTERS,
    accuracy_by_gap,
    accuracy_by_group,
    calibration_metrics,
    localization_metrics,
    pairs_to_compare,
    picture_localization,
    ranking_metrics,
)
from lena_jax.models.predict import predict
from lena_jax.models.ranker import eta_distribution
from lena_jax.runs import folder, percentiles
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import open_trained_pictures


def evaluate(workdir, split="test", data_dir=None, pairs=None, check_maps=0, predictor=predict, sheet=True):
    """Evaluates the best checkpoint of a run; reads nothing of the run but the checkpoint.

    Writes into `workdir`, for the split `test`: `metrics.json`, `scores.csv` (id, group, true and predicted score),
    `pairs.csv` (the pairs compared, by id) and `maps.png`; for another split the same with its name in front, such as
    `train_metrics.json`. The percentiles of a run that has none yet are written too (`percentiles`).

    Args:
        workdir: folder of the run.
        split: "train", "validation" or "test", as the run's config parts the pictures.
        data_dir: where the data set lies now; None for where it lay in training.
        pairs: path of the `pairs.csv` of another evaluation, to compare the very same pairs; which picture of a pair
            is the higher is then what the file says. None for all comparable pairs (at most `metrics.MOST_PAIRS`).
        check_maps: of how many pictures to check the maps by occlusion, insertion and deletion, which takes some
            hundred passes of the network each (`map_checks`).
        predictor: scores and maps the pictures, as `predict` does.
        sheet: whether to draw `maps.png`.

    Returns:
        The dict in `metrics.json`: what was evaluated (`data`, `fingerprint` of the data set and its parts, `split`,
        `step`, `pooling`, `fusion`), the measures of `ranking_metrics`, `calibration`, `accuracy_by_gap` and, with few
        groups, `accuracy_by_group`; `eta`, `localization` (of each kind of map, where the data set has masks) and
        `map_checks` where there are such.

    Raises:
        ValueError: if there is no checkpoint, no such pictures, or `pairs` names others.
    """
    run = load_ranker(workdir)
    model, variables, config, data, step = run
    if data_dir is not None:
        config.data.dir = data_dir
    parts = open_trained_pictures(workdir, config, data)
    if parts.get(split) is None:
        raise ValueError(
            f"split {split!r} of data set {config.data.name!r} has no pictures, expected one of "
            f"{sorted(name for name, part in parts.items() if part is not None)}"
        )
    pictures = parts[split]
    if check_maps and pictures.time:
        raise ValueError(f"got check_maps={check_maps} for clips, expected 0: what is covered are pictures")
    compared = (
        pairs_to_compare(pictures.scores, pictures.groups, config.pairs.min_gap, given=pictures.pairs)
        if pairs is None
        else read_pairs(pairs, pictures.ids)
    )
    scores, contributions, virality = predictor(model, variables, pictures, config.batch_size, f"scoring {split}")
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
    # Maps add up to the score only where the pooled value is the weighted mean of the cells.
    exact = model.network.pooling.reproduces
    maps = {"contribution_map": contributions} if exact else {}
    maps["virality_map"] = virality
    pooled_together = slice(1, None) if config.clip_pooling == "joint" else slice(-2, None)
    shares = eta_distribution(config, variables, math.prod(contributions.shape[pooled_together]))
    if shares is not None:
        metrics["eta"] = shares
    if "mask" in pictures.record(0):
        metrics["localization"] = _mask_measures(pictures, maps)
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
        )
    percentiles.ensure(workdir, run, parts["train"], predictor)
    return metrics


def _mask_measures(pictures, maps):
    """`localization_metrics` of each kind of map, at the resolution of the masks; none where every mask is empty."""
    found = {kind: [] for kind in maps}
    for index in range(len(pictures)):
        mask = pictures.record(index)["mask"][..., 0] > 0
        if mask.any():
            full = np.asarray(upsample(np.stack([each[index] for each in maps.values()]), *mask.shape))
            for kind, one in zip(maps, full, strict=True):
                found[kind].append(picture_localization(one, mask))
    return {kind: localization_metrics(each) for kind, each in found.items() if each}
