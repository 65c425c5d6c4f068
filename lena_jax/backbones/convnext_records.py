"""The ConvNeXts by name: timm's names, and short ones, each with a default source of its weights."""

import dataclasses
import functools

from lena_jax.backbones import convnext, convnext_names
from lena_jax.backbones.base import Backbone, timm_weights
from lena_jax.backbones.convnext import Architecture
from lena_jax.backbones.licences import licence_of
from lena_jax.backbones.preprocessing import CLIP, IMAGENET

_SIZES = {
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
}
# The tag of the default weights, and how many classes they have.
_TAGS = {
    "convnext_atto": ("d2_in1k", 1000),
    "convnext_femto": ("d1_in1k", 1000),
    "convnext_pico": ("d1_in1k", 1000),
    "convnext_nano": ("in12k", 11821),
    "convnext_tiny": ("in12k", 11821),
    "convnext_small": ("in12k", 11821),
    "convnext_base": ("fb_in22k", 21841),
    "convnextv2_atto": ("fcmae", 0),
    "convnextv2_femto": ("fcmae", 0),
    "convnextv2_pico": ("fcmae", 0),
    "convnextv2_nano": ("fcmae", 0),
    "convnextv2_tiny": ("fcmae", 0),
    "convnextv2_base": ("fcmae", 0),
}


def _record(name, tag, classes):
    family, size = name.split("_")
    architecture = Architecture(*_SIZES[size], version=2 if family == "convnextv2" else 1)
    width = architecture.channels[-1]
    return Backbone(
        name=name,
        build=functools.partial(convnext.ConvNeXt, architecture),
        stride=convnext.STRIDE,
        channels=width,
        preprocessing=IMAGENET,
        stages=convnext.STAGES,
        endpoints=convnext.ENDPOINTS,
        torch_keys=functools.partial(convnext_names.torch_keys, architecture),
        classifier_prefixes=convnext_names.CLASSIFIER_PREFIXES,
        translate=convnext_names.to_timm,
        remat=True,
        parameters=architecture.parameters,
        download=4 * (architecture.parameters + classes * (width + 1) + 2 * width * bool(classes)),
        **timm_weights(f"{name}.{tag}", licence_of(f"{name}.{tag}")),
    )


_NAMED = {name: _record(name, *fields) for name, fields in _TAGS.items()}
RECORDS = (
    *_NAMED.values(),
    dataclasses.replace(
        _NAMED["convnext_tiny"],
        name="convnext_tiny_dinov3",
        download=4 * _NAMED["convnext_tiny"].parameters,
        **timm_weights("convnext_tiny.dinov3_lvd1689m", licence_of("convnext_tiny.dinov3_lvd1689m")),
    ),
    dataclasses.replace(
        _NAMED["convnext_base"],
        name="convnext_base_clip",
        preprocessing=CLIP,
        size=256,
        download=4 * (_NAMED["convnext_base"].parameters + 2 * 1024 + 640 * 1025),
        **timm_weights("convnext_base.clip_laion2b", licence_of("convnext_base.clip_laion2b")),
    ),
)
