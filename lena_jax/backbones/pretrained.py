"""From a PyTorch state dictionary to the Flax variables of a trunk, checked as a whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from lena_jax.backbones.registry import Backbone, get_backbone
from lena_jax.backbones.sources import read_source


def load_pretrained(name: str, source: str | Path | None = None) -> dict[str, Any]:
    """The variables of a trunk with its ImageNet weights.

    Args:
      name: of the trunk, a key of `BACKBONES`.
      source: where the weights come from, see `sources.find_file`; by default the trunk's own source. Keys may
        be named as in any of the trunk's namings (`Backbone.torch_keys`).

    Returns:
      `{"params": ..., "batch_stats": ...}`, float32 NumPy arrays, for `get_backbone(name).build(...).apply`.

    Raises:
      ValueError: no such trunk, one without a source of its own, or a file that is not safe or does not fit (all
        keys that do not, in one message).
      FileNotFoundError: the weights are not there; the message says how to get them.
    """
    backbone = get_backbone(name)
    tensors, path = read_source(_source(backbone, source))
    tensors = {key: value for key, value in tensors.items() if not key.startswith(backbone.classifier_prefixes)}
    namings = backbone.torch_keys()
    # The naming that the file shares the most keys with.
    keys = max(namings.values(), key=lambda keys: len(set(keys.values()) & set(tensors)))
    return convert_variables(tensors, variable_shapes(backbone), keys, path)


def load_classifier(name: str, source: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The linear classifier that the trunk was trained with, on its features averaged over space.

    Args:
      name: of the trunk, a key of `BACKBONES`.
      source: as of `load_pretrained`.

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
        raise ValueError(f"trunk {backbone.name!r} has no source of weights of its own ({backbone.weights}): name one")
    return chosen


def variable_shapes(backbone: Backbone) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Path -> shape of each variable of a trunk, without computing anything."""
    pictures = jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32)
    variables = jax.eval_shape(backbone.build().init, jax.random.key(0), pictures)
    return {path: leaf.shape for path, leaf in flax.traverse_util.flatten_dict(variables).items()}


def convert_variables(
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[tuple[str, ...], tuple[int, ...]],
    keys: Mapping[tuple[str, ...], str],
    origin: str | Path,
) -> dict[str, Any]:
    """Arranges the tensors of a PyTorch file as Flax variables.

    Args:
      tensors: name -> array, PyTorch's layouts (convolution `[out, in, kh, kw]`, linear `[out, in]`).
      shapes: path -> shape that is needed, Flax's layouts (`[kh, kw, in, out]`, `[in, out]`).
      keys: path -> name in `tensors`.
      origin: where the tensors come from, for the message.

    Returns:
      The nested dictionary of float32 arrays.

    Raises:
      ValueError: lists all missing, left-over and mis-shaped names at once.
    """
    if set(shapes) != set(keys):
        raise ValueError(f"got names for variables that differ from the module's: {set(shapes) ^ set(keys)}")
    # Counts of batches, which only PyTorch's own training reads.
    left_over = {name for name in tensors if not name.endswith(".num_batches_tracked")} - set(keys.values())
    missing, mis_shaped, leaves = [], [], {}
    for path, shape in shapes.items():
        name = keys[path]
        if name not in tensors:
            missing.append(name)
            continue
        value = _to_flax_layout(tensors[name])
        if value.shape != shape:
            mis_shaped.append(f"{name} (got {value.shape}, expected {shape})")
        leaves[path] = np.asarray(value, np.float32, order="C")
    problems = {"missing": missing, "left over": sorted(left_over), "mis-shaped": mis_shaped}
    if any(problems.values()):
        listing = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
        raise ValueError(f"{origin} does not fit the trunk; {listing}")
    return flax.traverse_util.unflatten_dict(leaves)


def _to_flax_layout(tensor: np.ndarray) -> np.ndarray:
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)
    return tensor.T
