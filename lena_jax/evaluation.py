"""From a checkpoint alone to measures, a table of scores and pictures of where: what `experiments/evaluate.py` does."""

import csv
import dataclasses
import json
import math
import os

import numpy as np
from tqdm import tqdm

from lena_jax import checkpoints, map_checks, pair_list, plots, pooling, ranker
from lena_jax.files import write_whole
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
from lena_jax.run_data import fingerprint, open_pictures


def load_ranker(workdir):
    """Restores the best checkpoint of a run.

    Returns:
        (ranker, variables, config, fingerprint of the data it was trained on, step).

    Raises:
        ValueError: if the folder holds no finished checkpoint, or the best one is damaged.
    """
    manager = checkpoints.open_checkpoints(workdir, read_only=True)
    step = _best(manager)
    checkpoints.check(workdir, step)
    run = checkpoints.restore_run(manager, step)
    model = dataclasses.replace(ranker.build(run["config"]), preprocessing=run["preprocessing"])
    variables = checkpoints.restore(manager, step, variables=model.abstract_variables())["variables"]
    manager.close()
    return model, variables, run["config"], run["data"], step


def best_step(workdir):
    """The step of the checkpoint that `load_ranker` restores, which is not read.

    Raises:
        ValueError: if the folder holds no finished checkpoint.
    """
    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        return _best(manager)


def _best(manager):
    step = manager.best_step()
    return manager.latest_step() if step is None else step


def predict(model, variables, pictures, batch_size=32, label="scoring"):
    """Scores every picture and maps where the score comes from.

    Args:
        model, variables: as of `load_ranker`.
        pictures: `ScoredPictures`, n of them.
        batch_size: pictures, or frames of clips, a call.
        label: on the progress bar.

    Returns:
        (scores [n], contribution maps [n, h, w], virality maps [n, h, w]), float32; see `Ranker.explain`. Of clips
        maps [n, T, h, w].

    Raises:
        ValueError: if the model needs objectness maps and the pictures came without.
    """
    batch_size = max(1, batch_size // math.prod(pictures.time))
    explain = ranker.on_devices(model.explain, variables, batch_size)
    with tqdm(total=len(pictures), desc=label, unit="picture") as bar:
        def inputs():
            for index in range(len(pictures)):
                yield model.whole(pictures, index)
                bar.update()

        parts = list(ranker.in_batches(explain, inputs(), batch_size))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def evaluate(workdir, split="test", data_dir=None, pairs=None, check_maps=0, predictor=predict, sheet=True):
    """Evaluates the best checkpoint of a run; reads nothing of the run but the checkpoint.

    Writes into `workdir`, for the split `test`: `metrics.json`, `scores.csv` (id, group, true and predicted score),
    `pairs.csv` (the pairs compared, by id) and `maps.png`; for another split the same with its name in front, such as
    `train_metrics.json`.

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
    model, variables, config, data, step = load_ranker(workdir)
    if data_dir is not None:
        config.data.dir = data_dir
    parts = open_pictures(config)
    if parts.get(split) is None:
        raise ValueError(f"split {split!r} of data set {config.data.name!r} has no pictures, expected one of "
                         f"{sorted(name for name, part in parts.items() if part is not None)}")
    if fingerprint(parts) != data:
        raise ValueError(f"data set {config.data.name!r} in {config.data.dir!r} was built anew since {workdir!r} was "
                         "trained: its pictures, scores, parts or objectness maps are others. Train "
                         "again in another --workdir")
    pictures = parts[split]
    if check_maps and pictures.time:
        raise ValueError(f"got check_maps={check_maps} for clips, expected 0: what is covered are pictures")
    compared = pairs_to_compare(pictures.scores, pictures.groups, config.pairs.min_gap, given=pictures.pairs) \
        if pairs is None else pair_list.read(pairs, pictures.ids)
    scores, contributions, virality = predictor(model, variables, pictures, config.batch_size, f"scoring {split}")
    metrics = {"data": config.data.name, "fingerprint": data, "split": split, "step": step, "pooling": config.pooling,
               "fusion": config.fusion, **({"clip_pooling": config.clip_pooling} if pictures.time else {}),
               **ranking_metrics(scores, pictures.scores, pictures.groups, pairs=compared),
               "calibration": calibration_metrics(scores, compared, pictures.groups),
               "accuracy_by_gap": accuracy_by_gap(scores, pictures.scores, compared)}
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
    prefix = "" if split == "test" else split + "_"
    write_whole(os.path.join(workdir, prefix + "scores.csv"), lambda file: _score_table(file, pictures, scores))
    write_whole(os.path.join(workdir, prefix + "pairs.csv"), lambda file: pair_list.write(file, pictures.ids, compared))
    if sheet:
        plots.save_map_sheet(os.path.join(workdir, prefix + "maps.png"), pictures, scores,
                             contributions if exact else virality,
                             "contribution of a cell to the score" if exact else "virality map")
    write_whole(os.path.join(workdir, prefix + "metrics.json"),
                lambda file: json.dump(metrics, file, indent=2, allow_nan=False))
    return metrics


def learned_shares(config, variables):
    """LENA's learned eta of each map that is pooled, [C] in [0, 1]; None where the pooling has none."""
    if config.pooling != "lena":
        return None
    parameterization = config.pooling_options.get("lena", {}).get("parameterization", "sigmoid")
    return np.asarray(pooling.eta_from_parameter(variables["params"]["pooling"]["eta"], parameterization))


def eta_distribution(config, variables, cells):
    """How large the learned supports are: quantiles over channels of eta and of N, and a histogram of eta.

    Returns:
        None where the pooling has no eta.
    """
    eta = learned_shares(config, variables)
    if eta is None:
        return None
    options = {name: config.pooling_options.lena[name] for name in ("parameterization", "rounding")
               if name in config.pooling_options.get("lena", {})}
    sizes = np.asarray(pooling.support_sizes(variables["params"]["pooling"]["eta"], cells, **options))
    quantiles = (5, 25, 50, 75, 95)
    counts, edges = np.histogram(eta, bins=20, range=(0, 1))
    return {"cells": cells, "share": {str(q): float(np.percentile(eta, q)) for q in quantiles},
            "support_size": {str(q): float(np.percentile(sizes, q)) for q in quantiles},
            "histogram": {"edges": edges.tolist(), "channels": counts.tolist()}}


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


def _score_table(file, pictures, scores):
    writer = csv.writer(file)
    writer.writerow(["id", "group", "score", "predicted"])
    for index in np.argsort(-scores):
        writer.writerow([pictures.ids[index], "" if pictures.groups is None else pictures.groups[index],
                         float(pictures.scores[index]), float(scores[index])])

