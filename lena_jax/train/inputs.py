"""How pictures enter a training step: as themselves, or as feature maps of a frozen trunk; and what is trained."""

import dataclasses
import os
from collections.abc import Callable

import numpy as np

from lena_jax.backbones.registry import stage_of
from lena_jax.data.array_cache import cached_array
from lena_jax.data.input_pipeline import SquarePictures, make_squares, square_side
from lena_jax.models.feature_cache import feature_cache, features_folder, view_of
from lena_jax.runtime import distributed
from lena_jax.runtime.trees import merge


@dataclasses.dataclass(frozen=True)
class TrainingInputs:
    """What a training step needs to know of the network and the pictures.

    Inputs are an array [n, ...] of pictures or feature maps, or with fusion a dict of it and the objectness maps.

    Attributes:
        trained: variables -> the parameters that are trained.
        carried: variables -> all others that a step needs.
        moves_statistics: whether BatchNorm's running statistics move with training.
        fetch: of `DrawBatch`.
        score: (variables, inputs of n pictures) -> scores [n], as in evaluation.
        score_for_training: (params, batch_stats, carried, inputs of n pictures) -> (scores [n], new batch_stats).
        whole: ("train" or "validation", indices) -> iterator over the inputs of those whole pictures.
        workers: worker processes that fetching deserves.
    """

    trained: Callable
    carried: Callable
    moves_statistics: bool
    fetch: Callable
    score: Callable
    score_for_training: Callable
    whole: Callable
    workers: int


def make_inputs(config, model, variables, pictures, augmentation) -> TrainingInputs:
    """The inputs that a config asks for: `backbone.frozen`, `backbone.train_from`, `backbone.batch_norm`.

    Feature maps, or decoded pictures, are made here if their files are not there yet.

    Args:
        config: of the run.
        model, variables: `Ranker` and its initial variables.
        pictures: {"train", "validation", "test": `ScoredPictures` or None}.
        augmentation: `Augmentation` of the training pictures.

    Raises:
        OSError, ValueError: as of `features.feature_cache`.
    """
    make = _frozen_trunk if config.backbone.frozen else _whole_network
    # The first process fills the files, the others find them, or make their own where the disk is not shared.
    with distributed.first_goes_first("training inputs"):
        return make(config, model, variables, pictures, augmentation)


def check_trained(config, backbone, variables):
    """Refuses a config that contradicts itself, or its trunk, about what is trained.

    Args:
        config: of the run.
        backbone: its trunk's entry in the registry.
        variables: of the network, or their shapes.

    Raises:
        ValueError: naming the key, its value and what was expected.
    """
    options = config.backbone
    if options.batch_norm not in ("inference", "train"):
        raise ValueError(f"got backbone.batch_norm {options.batch_norm!r}, expected 'inference' or 'train'")
    if options.frozen and (options.train_from or options.batch_norm == "train"):
        raise ValueError(
            f"got backbone.train_from {options.train_from!r} and backbone.batch_norm "
            f"{options.batch_norm!r} for a trunk that is frozen: set backbone.frozen=False"
        )
    if options.train_from:
        there = {stage_of(name) for name in variables["params"]["backbone"]}
        stages = [stage for stage in backbone.stages if stage in there]
        if options.train_from not in stages:
            raise ValueError(
                f"got backbone.train_from {options.train_from!r}, expected '' or one of {stages}, the "
                "stages up to the trunk's endpoint"
            )
    if options.batch_norm == "train" and "batch_stats" not in variables:
        raise ValueError(f"got backbone.batch_norm 'train' for the trunk {backbone.name!r}, which has no BatchNorm")
    if options.batch_norm == "train" and config.accumulate > 1:
        raise ValueError(
            f"got backbone.batch_norm 'train' and accumulate={config.accumulate}: the statistics would be "
            "those of a part of the batch"
        )
    if options.weights and not options.pretrained:
        raise ValueError(
            f"got backbone.weights {options.weights!r} and backbone.pretrained=False, expected one of the two"
        )


def _frozen_trunk(config, model, variables, pictures, augmentation):
    folder = features_folder(config)
    maps = {
        name: feature_cache(
            model,
            variables,
            part,
            views=config.augmentation.views if name == "train" else 1,
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
        # Cut anew each time, so that the cache of features is the same for every fusion.
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
        moves_statistics=False,
        fetch=fetch,
        score=model.score,
        score_for_training=_scored(model.score),
        whole=whole,
        workers=0,
    )


def _whole_network(config, model, variables, pictures, augmentation):
    squares, side = None, square_side(config.image_size, augmentation)
    if config.data.cache:
        source = pictures["train"].source
        squares = cached_array(
            os.path.join(os.path.expanduser(config.data.dir), "decoded"),
            {"pictures": pictures["train"].digest, "side": side},
            (len(source), *pictures["train"].time, side, side, 3),
            "uint8",
            lambda: make_squares(source, side),
            "decoded pictures, train",
        )
    first = config.backbone.train_from
    fixed = set(model.backbone.stages[: model.backbone.stages.index(first)]) if first else set()
    moves = config.backbone.batch_norm == "train"

    def trunk(params, stay):
        return {name: tree for name, tree in params.get("backbone", {}).items() if (stage_of(name) in fixed) == stay}

    def trained(variables):
        return {**variables["params"], "backbone": trunk(variables["params"], stay=False)}

    def carried(variables):
        others = {
            name: tree for name, tree in variables.items() if name != "params" and not (moves and name == "batch_stats")
        }
        return {**others, "params": {"backbone": trunk(variables["params"], stay=True)}}

    def score_and_move(params, batch_stats, carried, inputs):
        scores, moved = model.score_for_training(merge(carried, {"params": params, "batch_stats": batch_stats}), inputs)
        return scores, moved["batch_stats"]

    return TrainingInputs(
        trained=trained,
        carried=carried,
        moves_statistics=moves,
        fetch=SquarePictures(pictures["train"], config.image_size, augmentation, squares),
        score=model.score_pictures,
        score_for_training=score_and_move if moves else _scored(model.score_pictures),
        whole=lambda part, indices: (model.whole(pictures[part], index) for index in indices),
        workers=config.data.workers,
    )


def _scored(score):
    return lambda params, batch_stats, carried, inputs: (score(merge(carried, {"params": params}), inputs), batch_stats)
