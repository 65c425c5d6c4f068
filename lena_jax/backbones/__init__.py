"""Convolutional backbones with ImageNet weights: registry, modules, weights and normalisation.

Each network has a file of its own with its module and its `Backbone` records; `BACKBONES` lists the records.
"""

from lena_jax.backbones.base import Backbone
from lena_jax.backbones.depthwise import depthwise_conv
from lena_jax.backbones.preprocessing import Preprocessing, normalize
from lena_jax.backbones.pretrained import load_classifier, load_pretrained
from lena_jax.backbones.registry import BACKBONES, get_backbone
from lena_jax.backbones.saved import save_pretrained

__all__ = [
    "BACKBONES",
    "Backbone",
    "Preprocessing",
    "depthwise_conv",
    "get_backbone",
    "load_classifier",
    "load_pretrained",
    "normalize",
    "save_pretrained",
]
