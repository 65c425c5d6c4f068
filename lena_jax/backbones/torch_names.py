"""PyTorch's names for the variables of a layer."""

from collections.abc import Mapping, Sequence
from typing import Any


def conv_bn_keys(layers: Mapping[tuple[str, ...], tuple[str, str]]) -> dict[tuple[str, ...], str]:
    """Return path of each leaf in `variables` -> its key in a state dictionary, for layers of the kind `ConvBN`.

    Args:
        layers: path of the layer -> the names of its convolution and of its BatchNorm.
    """
    keys = {}
    for path, (conv, norm) in layers.items():
        keys["params", *path, "kernel"] = f"{conv}.weight"
        keys["params", *path, "scale"] = f"{norm}.weight"
        keys["params", *path, "bias"] = f"{norm}.bias"
        keys["batch_stats", *path, "mean"] = f"{norm}.running_mean"
        keys["batch_stats", *path, "var"] = f"{norm}.running_var"
    return keys


def inner_names(tensors: Mapping[str, Any], towers: Sequence[str]) -> dict[str, Any]:
    """Return the tensors whose names begin with the first tower that any name begins with, without it.

    Example:
        >>> from lena_jax.backbones.torch_names import inner_names
        >>> inner_names({"visual.proj": 1, "text.proj": 2}, ("visual.trunk.", "visual."))
        {'proj': 1}
    """
    tower = next((tower for tower in towers if any(name.startswith(tower) for name in tensors)), "")
    return {name.removeprefix(tower): tensor for name, tensor in tensors.items() if name.startswith(tower)}
