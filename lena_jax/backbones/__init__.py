"""Backbones with pretrained weights: registry, modules, weights and normalisation.

Each network has a file of its own with its module and its `Backbone` records; `BACKBONES` lists the records. Vision
transformers and ConvNeXts have so many names and namings that their records and names have files of their own.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lena_jax.backbones.base import Backbone
    from lena_jax.backbones.depthwise import depthwise_conv
    from lena_jax.backbones.origin import Origin, origin_of
    from lena_jax.backbones.preprocessing import Preprocessing, normalize
    from lena_jax.backbones.pretrained import load_classifier, load_pretrained
    from lena_jax.backbones.registry import BACKBONES, get_backbone
    from lena_jax.backbones.saved import save_pretrained

__all__ = [
    "BACKBONES",
    "Backbone",
    "Origin",
    "Preprocessing",
    "depthwise_conv",
    "get_backbone",
    "load_classifier",
    "load_pretrained",
    "normalize",
    "origin_of",
    "save_pretrained",
]

_HOMES = {
    "BACKBONES": "registry",
    "Backbone": "base",
    "Origin": "origin",
    "Preprocessing": "preprocessing",
    "depthwise_conv": "depthwise",
    "get_backbone": "registry",
    "load_classifier": "pretrained",
    "load_pretrained": "pretrained",
    "normalize": "preprocessing",
    "origin_of": "origin",
    "save_pretrained": "saved",
}


def __getattr__(name: str):
    # Imported when they are asked for: `python -m lena_jax.backbones` imports this file before it can handle Ctrl-C.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
