"""Predict scores and maps from pictures, or from the cached feature maps of a frozen backbone."""

import functools
import math

import numpy as np

from lena_jax.models.batching import in_batches, on_devices
from lena_jax.models.feature_cache import feature_cache, features_folder
from lena_jax.runtime.progress import counted

_MOST_BYTES = 256 << 20  # Of the feature maps of a batch, in float32: explaining takes about four times that.


def predict(model, variables, pictures, batch_size=32, label="scoring", method="explain_features"):
    """Score every picture and map where in the picture the score comes from.

    Args:
        model, variables: `Ranker` and its variables.
        pictures: `ScoredPictures`, n of them.
        batch_size: pictures, or frames of clips, per call of the network; fewer if their feature maps are large.
        label: text on the progress bar.
        method: what to compute, a method of `Ranker` that takes the output of `features`.

    Returns:
        What the method returns, for all pictures. By default (scores [n], contribution maps [n, h, w], virality maps
        [n, h, w]), float32; see `Ranker.explain`. For clips, the maps are [n, T, h, w].

    Raises:
        ValueError: if the model needs objectness maps and the pictures have none.
    """
    inputs = (model.whole(pictures, index) for index in range(len(pictures)))
    batch_size = max(1, min(batch_size, _most(model)) // math.prod(pictures.time))

    def answer(variables, inputs):
        return getattr(model, method)(variables, model.features(variables, inputs))

    return _run(answer, variables, inputs, len(pictures), batch_size, label)


def predict_from_cache(
    model, variables, pictures, batch_size=32, label="scoring", method="explain_features", *, cache_dir
):
    """Return what `predict` returns, from feature maps that are computed once and cached in a file.

    The cache is float16 (relative error 2^-11, 0.05 %); pooling and scores are float32.

    Args:
        model, variables, pictures, batch_size, label, method: see `predict`.
        cache_dir: the `cache_dir` of `feature_cache`.

    Raises:
        OSError, ValueError: see `feature_cache`.
    """
    # With one view, nothing is random.
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

    batch_size = max(1, min(batch_size, _most(model) // math.prod(pictures.time)))
    return _run(getattr(model, method), head, inputs(), len(pictures), batch_size, label)


def _most(model):
    """Return how many pictures a batch may have, so that its memory is bounded on fine grids too."""
    return _MOST_BYTES // (4 * math.prod(model.abstract_feature_map().shape))


def predictor_of(config):
    """Return `predict`, or for a frozen backbone `predict_from_cache` with the cache that training filled."""
    return (
        functools.partial(predict_from_cache, cache_dir=features_folder(config)) if config.backbone.frozen else predict
    )


def _run(answer, variables, inputs, count, batch_size, label):
    answer = on_devices(answer, variables, batch_size)
    return tuple(
        np.concatenate(part)
        for part in zip(*in_batches(answer, counted(inputs, label, count), batch_size), strict=True)
    )
