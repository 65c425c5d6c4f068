"""PyTorch's names for the variables of a layer."""

from collections.abc import Mapping


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
