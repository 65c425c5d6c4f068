"""A digest of all that determines scores and percentiles, except the pictures."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import numpy as np

from lena_jax.data import u2net
from lena_jax.models.ranker import Ranker
from lena_jax.runs.percentiles import TrainingScores


def digest(model: Ranker, variables: Mapping[str, Any], scores: TrainingScores | None) -> str:
    """Computes a hexadecimal digest of a model, its variables and the scores of its training pictures."""
    found = hashlib.sha256()
    # A network's fields include functions. Their memory addresses are not part of the model.
    network = re.sub(r" at 0x[0-9a-f]+", "", repr(model.network))
    for part in (
        network,
        model.preprocessing.as_json(),
        model.image_size if model.resize == "squash" else (model.image_size, model.resize),
        u2net.RECIPE if model.fusion != "none" else None,
        None if scores is None else scores.as_json(),
    ):
        found.update(f"{part!r}\n".encode())
    for name, leaf in sorted(flax.traverse_util.flatten_dict(variables, sep="/").items()):
        leaf = np.ascontiguousarray(leaf)
        found.update(f"{name} {leaf.dtype} {leaf.shape}\n".encode() + leaf.tobytes())
    return found.hexdigest()
