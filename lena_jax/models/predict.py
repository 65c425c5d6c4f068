"""Scores and maps of every picture: from the pictures, or from the cache of a frozen backbone's feature maps."""

import functools
import math

import numpy as np
from tqdm import tqdm

from lena_jax.models.batching import in_batches, on_devices
from lena_jax.models.feature_cache import feature_cache, features_folder


def predict(model, variables, pictures, batch_size=32, label="scoring"):
    """Scores every picture and maps where the score comes from.

    Args:
        model, variables: `Ranker` and its variables.
        pictures: `ScoredPictures`, n of them.
        batch_size: pictures, or frames of clips, per call of the network.
        label: on the progress bar.

    Returns:
        (scores [n], contribution maps [n, h, w], virality maps [n, h, w]), float32; see `Ranker.explain`. Of clips
        maps [n, T, h, w].

    Raises:
        ValueError: if the model needs objectness maps and the pictures have none.
    """
    inputs = (model.whole(pictures, index) for index in range(len(pictures)))
    batch_size = max(1, batch_size // math.prod(pictures.time))
    return _run(model.explain, variables, inputs, len(pictures), batch_size, label)


def predict_from_cache(model, variables, pictures, batch_size=32, label="scoring", *, cache_dir):
    """Returns what `predict` returns, from feature maps that are computed once and kept in a file.

    The cache holds them as float16 (relative error 2^-11, 0.05 %); pooling and scores are float32.

    Args:
        model, variables, pictures, batch_size, label: as of `predict`.
        cache_dir: folder of `feature_cache`.

    Raises:
        OSError, ValueError: as of `feature_cache`.
    """
    # One view: nothing is random.
    maps = feature_cache(
        model, variables, pictures, views=1, augmentation=None, seed=0, cache_dir=cache_dir, label=label
    )[0]
    head = {**variables, "params": {name: tree for name, tree in variables["params"].items() if name != "backbone"}}

    def inputs():
        for index, row in enumerate(pictures.rows):
            feature_map = maps[row].astype(np.float32)
            yield (
                feature_map
                if model.fusion == "none"
                else {"feature_map": feature_map, "objectness": pictures.objectness_map(index)}
            )

    return _run(model.explain_features, head, inputs(), len(pictures), batch_size, label)


def predictor_of(config):
    """`predict`; for a run with a frozen backbone `predict_from_cache`, from the maps that its training has cached."""
    return (
        functools.partial(predict_from_cache, cache_dir=features_folder(config)) if config.backbone.frozen else predict
    )


def _run(explain, variables, inputs, count, batch_size, label):
    explain = on_devices(explain, variables, batch_size)
    counted = tqdm(inputs, total=count, desc=label, unit="picture")
    return tuple(np.concatenate(part) for part in zip(*in_batches(explain, counted, batch_size), strict=True))
