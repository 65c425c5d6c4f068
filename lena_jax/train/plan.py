"""Check that a run is possible before anything is written, and prepare its model, pictures and batches."""

import dataclasses
import functools

import ml_collections
import numpy as np

from lena_jax import backbones
from lena_jax.data.dataset import age
from lena_jax.data.input_pipeline import DrawBatch
from lena_jax.data.splits import fingerprint, open_pictures
from lena_jax.data.transforms import Augmentation
from lena_jax.metrics import pairs_to_compare
from lena_jax.models import ranker
from lena_jax.runtime import distributed
from lena_jax.train import exact
from lena_jax.train.inputs import check_trained
from lena_jax.train.optimizer import make_optimizer

_LEAST = {
    "steps": 1,
    "log_every": 1,
    "seed": 0,
    "eval_every": 1,
    "stop_after": 0,
    "data.workers": 0,
    "augmentation.views": 1,
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """A checked config, with the model, pictures and batches it describes.

    Attributes:
        config: config of the run.
        model: `Ranker`.
        augmentation: `Augmentation` of the training pictures.
        pictures: {"train", "validation", "test": `ScoredPictures` or None}.
        fingerprint: fingerprint of the pictures.
        draw: draws the batches; `fetch` is set later, when the inputs are made.
        validation_pairs: [p, 2] pairs of the validation pictures to compare, or None without such pictures.
    """

    config: ml_collections.ConfigDict
    model: ranker.Ranker
    augmentation: Augmentation
    pictures: dict
    fingerprint: str
    draw: DrawBatch
    validation_pairs: np.ndarray | None


def make_plan(config, devices):
    """Check that a config agrees with itself, its model, its data and the devices.

    Args:
        config: config of the run.
        devices: number of devices, over all processes.

    Returns:
        `Plan`.

    Raises:
        ValueError: if it does not; names the key, its value and what was expected.
    """
    _check(config, devices)
    augmentation = Augmentation(config.augmentation.crop, config.augmentation.flip)
    model = ranker.build(config)
    # Computes shapes only; raises if the backbone cannot do what the config asks.
    check_trained(config, model.backbone, model.abstract_variables())
    pictures = open_pictures(config)
    if not distributed.index() and (old := age(config.data.name, config.data.dir)):
        _say(old)
    if config.stop_after and pictures["validation"] is None:
        raise ValueError(
            f"config.stop_after={config.stop_after} needs validation pictures, but the dataset has "
            "no validation split: set config.data.validation to the share of the training pictures to validate on"
        )
    compared = dataclasses.replace(pictures["train"], groups=None) if config.pairs.across_groups else pictures["train"]
    draw = DrawBatch(
        compared,
        config.batch_size,
        config.pairs.mode,
        config.pairs.min_gap,
        fetch=None,
        weighting=config.pairs.weighting,
        process=distributed.index(),
        processes=distributed.count(),
    )
    held_out = pictures["validation"]
    validation_pairs = (
        None
        if held_out is None
        else pairs_to_compare(held_out.scores, held_out.groups, config.pairs.min_gap, given=held_out.decided_pairs())
    )
    return Plan(config, model, augmentation, pictures, fingerprint(pictures), draw, validation_pairs)


def with_weights_of(config, model):
    """Return the model with the preprocessing and the licence of the weights that the config names, and print them.

    Several processes print once, and so do several runs in one process.

    Raises:
        ValueError: see `backbones.origin_of`.
    """
    if not config.backbone.pretrained or not (config.backbone.weights or model.backbone.source):
        return model  # Without a source, loading the weights says what is missing.
    with distributed.first_goes_first("weights"):
        origin = backbones.origin_of(model.backbone.name, config.backbone.weights or None)
    if not distributed.index():
        _say(origin.text(model.backbone.name, config.image_size))
    licence = "unknown" if origin.licence == backbones.origin.UNKNOWN else origin.licence
    return dataclasses.replace(model, preprocessing=origin.preprocessing, licence=licence)


@functools.cache
def _say(text):
    print(text)


def _check(config, devices):
    if config.accumulate < 1 or config.batch_size % (devices * config.accumulate):
        raise ValueError(
            "config.batch_size (pictures per step) must be a multiple of the number of devices times "
            f"config.accumulate, got batch_size={config.batch_size}, {devices} devices and "
            f"accumulate={config.accumulate}"
        )
    for key, least in _LEAST.items():
        value = functools.reduce(getattr, key.split("."), config)
        if value < least:
            raise ValueError(f"config.{key} must be at least {least}, got {value}")
    if not 0 <= config.average_decay < 1:
        raise ValueError(f"config.average_decay must be in [0, 1), got {config.average_decay}")
    make_optimizer(config.optimizer, config.steps, {"head": {}})
    exact.check(config)
