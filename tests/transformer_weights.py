"""A vision transformer that compiles in seconds, with registers, as a backbone, and a file of random weights for it."""

import dataclasses
import functools

import numpy as np
from safetensors.numpy import save_file

from lena_jax.backbones import BACKBONES, vit, vit_names
from lena_jax.backbones.variables import variable_shapes

ARCHITECTURE = vit.Architecture(16, 4, 2, 16, 5, 32, registers=2, positions="patches", layer_scale=True)


def record():
    """Return the registry entry "tiny_vit"."""
    return dataclasses.replace(
        BACKBONES["dinov2_small_reg"],
        name="tiny_vit",
        build=functools.partial(vit.ViT, ARCHITECTURE),
        stride=16,
        channels=16,
        stages=vit.stages_of(ARCHITECTURE),
        torch_keys=functools.partial(vit_names.torch_keys, ARCHITECTURE),
        translate=functools.partial(vit_names.to_timm, ARCHITECTURE),
        source=None,
    )


def write(path):
    """Write random weights under timm's names, and return the path."""
    rng = np.random.RandomState(0)
    backbone = record()
    state = {}
    keys = backbone.torch_keys()["timm"]
    for leaf, shape in sorted(variable_shapes(backbone).items()):
        value = rng.normal(0, 0.3, shape).astype(np.float32)
        value = value + 1 if leaf[-1].startswith("scale") else value
        if leaf[-1] == "kernel":
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        elif value.ndim == 2:
            value = value[None]
        state[keys[leaf]] = np.ascontiguousarray(value)
    save_file(state, path)
    return path
