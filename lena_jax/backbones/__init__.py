"""Backbones with pretrained weights: registry, modules, weights and normalisation.

Each network has a file of its own with its module and its `Backbone` records; `BACKBONES` lists the records. Vision
transformers and ConvNeXts have so many names and namings that their records and names have files of their own.
"""

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
