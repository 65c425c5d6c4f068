"""Backbones with weights from a seed, and the features that PyTorch has for them, stored for where it is absent.

    python tests/backbones/seeded_reference.py

writes `seeded_features.npz` (torch 2.13.0): for each backbone of `NETWORKS`, each of its variants and each of
`STORED_SIZES`, every 32nd channel of the features of `pictures(height, width)`.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import flax.traverse_util
import jax
import numpy as np
import torch_backbones
from backbone_reference import pictures

from lena_jax.backbones import alexnet, resnet, vgg

FILE = Path(__file__).with_name("seeded_features.npz")
STORED_SIZES = ((64, 64), (75, 107))
CHANNEL_STEP = 32


class Network(NamedTuple):
    """`keys`: its names of variables; `variants`: each endpoint and output stride, the first the default."""

    build: Callable
    keys: Mapping[tuple[str, ...], str]
    variants: tuple[tuple[str, int], ...]


def _vgg16(batch_norm):
    return Network(
        functools.partial(vgg.VGG16, batch_norm=batch_norm),
        vgg.torch_keys(batch_norm)["torchvision and timm"],
        (("conv5_3", 16), ("conv4_3", 16)),
    )


def _resnet(architecture):
    return Network(
        functools.partial(resnet.ResNet, architecture=architecture),
        resnet.torch_keys(architecture)["torchvision and timm"],
        (("layer4", 32), ("layer4", 16), ("layer3", 32)),
    )


NETWORKS = {
    "vgg16": _vgg16(False),
    "vgg16_bn": _vgg16(True),
    "alexnet": Network(alexnet.AlexNet, alexnet.torch_keys()["torchvision"], (("conv5", 16),)),
    "resnet18": _resnet(resnet.RESNET18),
    "resnet50": _resnet(resnet.RESNET50),
}


def shapes(module):
    """Path -> shape of each variable of a module."""
    variables = jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32))
    return {path: leaf.shape for path, leaf in flax.traverse_util.flatten_dict(variables).items()}


def random_variables(module):
    """Variables of a module, the same wherever they are drawn: He's variance, BatchNorm far from the identity."""
    # `RandomState` promises its stream for all versions of NumPy.
    rng = np.random.RandomState(0)
    ranges = {
        "scale": (0.5, 1.5),
        "bias": (-0.5, 0.5),
        "conv_bias": (-0.5, 0.5),
        "mean": (-0.5, 0.5),
        "var": (0.5, 2.0),
    }
    leaves = {}
    for path, shape in sorted(shapes(module).items()):
        bound = np.sqrt(6 / np.prod(shape[:3]))
        low, high = ranges.get(path[-1], (-bound, bound))
        leaves[path] = rng.uniform(low, high, shape).astype(np.float32)
    return flax.traverse_util.unflatten_dict(leaves)


@functools.lru_cache(maxsize=1)
def variables(name):
    """`random_variables` of the whole backbone."""
    return random_variables(NETWORKS[name].build())


@functools.cache
def features(name, size, batch=1):
    """Variant -> features of `pictures`, from one compiled program."""
    network = NETWORKS[name]

    @jax.jit
    def run(variables, x):
        return [
            network.build(endpoint=endpoint, output_stride=stride).apply(variables, x)
            for endpoint, stride in network.variants
        ]

    return dict(zip(network.variants, map(np.asarray, run(variables(name), pictures(*size, batch))), strict=True))


def torch_state(name):
    """`variables(name)` as a state dictionary of PyTorch."""
    leaves = flax.traverse_util.flatten_dict(variables(name))
    return {
        key: leaves[path].transpose(3, 2, 0, 1) if path[-1] == "kernel" else leaves[path]
        for path, key in NETWORKS[name].keys.items()
    }


def torch_features(name, size, batch=1):
    """What `features` should be."""
    return {
        variant: torch_backbones.features(name, torch_state(name), pictures(*size, batch), *variant)[0]
        for variant in NETWORKS[name].variants
    }


def relative_error(got, expected):
    """The largest difference over the largest feature."""
    assert got.shape == expected.shape, (got.shape, expected.shape)
    return np.abs(got - expected).max() / np.abs(expected).max()


def _key(name, variant, size):
    return "-".join(map(str, (name, *variant, *size)))


def stored_features(name, size):
    """As `torch_features`, with every `CHANNEL_STEP`-th channel."""
    with np.load(FILE) as stored:
        return {variant: stored[_key(name, variant, size)] for variant in NETWORKS[name].variants}


if __name__ == "__main__":
    np.savez_compressed(
        FILE,
        **{
            _key(name, variant, size): expected[..., ::CHANNEL_STEP]
            for name in NETWORKS
            for size in STORED_SIZES
            for variant, expected in torch_features(name, size).items()
        },
    )
