"""Scores and maps from the cache of a frozen trunk's feature maps: many models of one trunk run it once."""

import numpy as np
from tqdm import tqdm

from lena_jax import ranker
from lena_jax.features import feature_cache


def predict(model, variables, pictures, batch_size=32, label="scoring", *, cache_dir):
    """What `evaluation.predict` returns, from feature maps that are computed once and kept in a file.

    The cache holds them as float16 (relative error 2^-11, 0.05 %); pooling and scores are float32.

    Args:
        model, variables, pictures, batch_size, label: as of `evaluation.predict`.
        cache_dir: folder of `features.feature_cache`.

    Returns:
        (scores [n], contribution maps [n, h, w], virality maps [n, h, w]), float32.

    Raises:
        OSError, ValueError: as of `features.feature_cache`.
    """
    # One view: nothing is random.
    maps = feature_cache(model, variables, pictures, views=1, augmentation=None, seed=0, cache_dir=cache_dir,
                         label=label)[0]
    head = {**variables, "params": {name: tree for name, tree in variables["params"].items() if name != "backbone"}}
    explain = ranker.on_devices(model.explain_features, head, batch_size)
    with tqdm(total=len(pictures), desc=label, unit="picture") as bar:
        def inputs():
            for index, row in enumerate(pictures.rows):
                feature_map = maps[row].astype(np.float32)
                yield feature_map if model.fusion == "none" else {
                    "feature_map": feature_map, "objectness": pictures.objectness_map(index)}
                bar.update()

        parts = list(ranker.in_batches(explain, inputs(), batch_size))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
