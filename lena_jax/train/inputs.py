"""Choose the inputs of a training step (pictures, or feature maps of a frozen backbone) and the trained parameters."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from lena_jax.backbones.registry import stage_of
from lena_jax.data.array_cache import cached_array
from lena_jax.data.input_pipeline import SquarePictures, make_squares, square_side
from lena_jax.models.feature_cache import cache_folder, feature_cache, features_folder, view_of
from lena_jax.runtime import distributed
from lena_jax.runtime.trees import merge
from lena_jax.train import exact


@dataclasses.dataclass(frozen=True)
class TrainingInputs:
    """The functions through which a training step reads the network and the pictures.

    Inputs are an array [n, ...] of pictures or feature maps; with fusion, a dict of that array and the objectness maps.

    Attributes:
        trained: variables -> the parameters to train.
        carried: variables -> all other variables that a step needs.
        moved: variables -> {collection: running statistics that training moves}.
        fetch: the `fetch` of `DrawBatch`.
        score: (variables, inputs of n pictures) -> scores [n], as in evaluation.
        score_and_pool: (variables, inputs of n pictures) -> (scores [n], pooled features [n, C]).
        score_for_training: (params, statistics, carried, inputs of n pictures) -> (scores [n], new statistics).
        whole: ("train" or "validation", indices) -> iterator over the inputs of those whole pictures.
        workers: number of worker processes for fetching; 0 for threads.
    """

    trained: Callable
    carried: Callable
    moved: Callable
    fetch: Callable
    score: Callable
    score_and_pool: Callable
    score_for_training: Callable
    whole: Callable
    workers: int


def make_inputs(config, model, variables, pictures, augmentation) -> TrainingInputs:
    """Make the inputs that `backbone.frozen`, `backbone.train_from` and `backbone.batch_norm` ask for.

    This computes the feature maps, or decodes the pictures, unless the cache has them.

    Args:
        config: config of the run.
        model, variables: `Ranker` and its initial variables.
        pictures: {"train", "validation", "test": `ScoredPictures` or None}.
        augmentation: `Augmentation` of the training pictures.

    Raises:
        OSError, ValueError: see `feature_cache`.
    """
    make = _frozen_backbone if config.backbone.frozen else _whole_network
    # The first process fills the cache. The others then read it, or fill their own if the disk is not shared.
    with distributed.first_goes_first("training inputs"):
        return make(config, model, variables, pictures, augmentation)


def check_trained(config, backbone, variables):
    """Refuse a config whose choice of what to train contradicts itself or the backbone.

    Args:
        config: config of the run.
        backbone: the registry's entry for its backbone.
        variables: variables of the network, or their shapes.

    Raises:
        ValueError: if it does; names the key, its value and what was expected.
    """
    options = config.backbone
    if options.batch_norm not in ("inference", "train"):
        raise ValueError(f"got backbone.batch_norm {options.batch_norm!r}, expected 'inference' or 'train'")
    if options.frozen and (options.train_from or options.batch_norm == "train"):
        raise ValueError(
            f"got backbone.train_from {options.train_from!r} and backbone.batch_norm "
            f"{options.batch_norm!r} for a frozen backbone: set backbone.frozen=False"
        )
    if options.train_from:
        there = {stage_of(name) for name in variables["params"]["backbone"]}
        stages = [stage for stage in backbone.stages if stage in there]
        if options.train_from not in stages:
            raise ValueError(
                f"got backbone.train_from {options.train_from!r}, expected '' or one of {stages}, the "
                "stages up to the backbone's endpoint"
            )
    if options.batch_norm == "train" and "batch_stats" not in variables:
        raise ValueError(f"got backbone.batch_norm 'train' for the backbone {backbone.name!r}, which has no BatchNorm")
    if config.accumulate > 1 and (options.batch_norm == "train" or config.head.equal_spread):
        what = "backbone.batch_norm 'train'" if options.batch_norm == "train" else "head.equal_spread"
        raise ValueError(
            f"got {what} and accumulate={config.accumulate}: it would see only a part of the batch at a time"
        )
    if options.weights and not options.pretrained:
        raise ValueError(
            f"got backbone.weights {options.weights!r} and backbone.pretrained=False, expected one of the two"
        )


def _frozen_backbone(config, model, variables, pictures, augmentation):
    folder = features_folder(config)
    maps = {
        name: feature_cache(
            model,
            variables,
            part,
            views=config.augmentation.views if name == "train" and not exact.used(config, part) else 1,
            augmentation=augmentation,
            seed=config.seed,
            cache_dir=folder,
            label=name,
        )
        for name, part in pictures.items()
        if part is not None and name != "test"
    }

    def fetch(indices, rng, share):
        train = pictures["train"]
        views = rng.integers(len(maps["train"]), size=len(indices))[share]
        rows = train.rows[indices[share]]
        feature_map = maps["train"][views, rows]
        if model.fusion == "none":
            return feature_map
        # Cut here for every batch, so that all fusions share one feature cache.
        return {
            "feature_map": feature_map,
            "objectness": np.stack(
                [
                    view_of(one, len(one), view, row, augmentation, config.seed)
                    for one, view, row in zip(train.objectness[rows], views, rows, strict=True)
                ]
            ),
        }

    def whole(name, indices):
        part = pictures[name]
        for index in indices:
            feature_map = maps[name][0, part.rows[index]]
            yield (
                feature_map
                if model.fusion == "none"
                else {"feature_map": feature_map, "objectness": part.objectness_map(index)}
            )

    def trained(variables):
        return {name: variables["params"][name] for name in ("pooling", "head") if name in variables["params"]}

    return TrainingInputs(
        trained=trained,
        carried=lambda variables: {"params": {}},
        moved=functools.partial(_part, ["spread"]),
        fetch=fetch,
        score=model.score,
        score_and_pool=model.score_and_pool,
        score_for_training=_moving(model.score_features_for_training),
        whole=whole,
        workers=0,
    )


def _whole_network(config, model, variables, pictures, augmentation):
    squares, side = None, square_side(config.image_size, augmentation)
    if config.data.cache:
        source = pictures["train"].source
        squares = cached_array(
            cache_folder(config, "decoded"),
            {"pictures": pictures["train"].digest, "side": side}
            | ({} if model.resize == "squash" else {"resize": model.resize}),
            (len(source), *pictures["train"].time, side, side, model.image_shape[-1]),
            "uint8",
            lambda: make_squares(source, side, how=model.resize),
            "decoded pictures, train",
        )
    first = config.backbone.train_from
    fixed = set(model.backbone.stages[: model.backbone.stages.index(first)]) if first else set()
    batch_norm = config.backbone.batch_norm == "train"
    moved = functools.partial(_part, ["batch_stats", "spread"] if batch_norm else ["spread"])

    def stages(params, stay):
        return {name: tree for name, tree in params.get("backbone", {}).items() if (stage_of(name) in fixed) == stay}

    def trained(variables):
        return {**variables["params"], "backbone": stages(variables["params"], stay=False)}

    def carried(variables):
        others = {name: tree for name, tree in variables.items() if name != "params" and name not in moved(variables)}
        return {**others, "params": {"backbone": stages(variables["params"], stay=True)}}

    return TrainingInputs(
        trained=trained,
        carried=carried,
        moved=moved,
        fetch=SquarePictures(pictures["train"], config.image_size, augmentation, squares, model.resize),
        score=model.score_pictures,
        score_and_pool=lambda variables, inputs: model.score_and_pool(variables, model.features(variables, inputs)),
        score_for_training=_moving(functools.partial(model.score_for_training, batch_norm=batch_norm)),
        whole=lambda part, indices: (model.whole(pictures[part], index) for index in indices),
        workers=config.data.workers,
    )


def _part(names, variables):
    return {name: variables[name] for name in names if name in variables}


def _moving(score):
    """Return the `score_for_training` of `TrainingInputs`, for (variables, inputs) -> (scores, new statistics)."""
    return lambda params, statistics, carried, inputs: score(merge(carried, {"params": params}, statistics), inputs)
