"""The vision transformers by name: timm's names, and short ones, each with a default source of its weights."""

import dataclasses
import functools

from lena_jax.backbones import vit, vit_names
from lena_jax.backbones.base import Backbone, timm_weights
from lena_jax.backbones.licences import licence_of
from lena_jax.backbones.preprocessing import CLIP, HALF, IMAGENET
from lena_jax.backbones.vit import Architecture

# Width, depth and heads.
_TINY, _SMALL, _BASE = (192, 12, 3), (384, 12, 6), (768, 12, 12)


def _architecture(size, patch, pixels, hidden=None, **options):
    """Build an `Architecture` whose position embedding is of pictures of `pixels`."""
    width, depth, heads = size
    return Architecture(width, depth, heads, patch, pixels // patch, hidden or 4 * width, **options)


def _clip(size, patch, pixels=224, activation="gelu"):
    return _architecture(size, patch, pixels, pre_norm=True, activation=activation, epsilon=1e-5)


def _siglip(patch, pixels, activation="gelu"):
    return _architecture(_BASE, patch, pixels, class_token=False, positions="patches", activation=activation)


def _dinov2(size, registers=0):
    positions = "patches" if registers else "all"
    return _architecture(size, 14, 518, registers=registers, positions=positions, layer_scale=True)


def _dinov3(size, qkv_bias=False, hidden=None, activation="gelu"):
    return _architecture(
        size,
        16,
        0,
        hidden,
        registers=4,
        positions="rotary",
        layer_scale=True,
        qkv_bias=qkv_bias,
        activation=activation,
        epsilon=1e-5,
    )


_PLUS = dict(hidden=1536, activation="swiglu")

# timm's name -> architecture, preprocessing, tag of the default weights, side of their pictures, and how many numbers
# their file has besides the backbone's.
_TIMM = {
    "vit_tiny_patch16_224": (_architecture(_TINY, 16, 224), HALF, "augreg_in21k", 224, 21843 * 193),
    "vit_small_patch16_224": (_architecture(_SMALL, 16, 224), HALF, "augreg_in21k", 224, 21843 * 385),
    "vit_base_patch16_224": (_architecture(_BASE, 16, 224), HALF, "augreg_in21k", 224, 21843 * 769),
    "vit_base_patch32_clip_quickgelu_224": (_clip(_BASE, 32, 224, "quick_gelu"), CLIP, "openai", 224, 512 * 769),
    "vit_base_patch16_clip_quickgelu_224": (_clip(_BASE, 16, 224, "quick_gelu"), CLIP, "openai", 224, 512 * 769),
    "vit_base_patch32_clip_224": (_clip(_BASE, 32), CLIP, "laion2b", 224, 512 * 769),
    "vit_base_patch16_clip_224": (_clip(_BASE, 16), CLIP, "laion2b", 224, 512 * 769),
    "vit_xsmall_patch16_clip_224": (_clip((256, 10, 4), 16), CLIP, "tinyclip_yfcc15m", 224, 512 * 257),
    "vit_medium_patch16_clip_224": (_clip((512, 12, 8), 16), CLIP, "tinyclip_yfcc15m", 224, 512 * 513),
    "vit_base_patch16_siglip_224": (_siglip(16, 224), HALF, "v2_webli", 224, 7_087_872),
    "vit_base_patch16_siglip_256": (_siglip(16, 256), HALF, "v2_webli", 256, 7_087_872),
    "vit_base_patch16_siglip_384": (_siglip(16, 384), HALF, "v2_webli", 384, 7_087_872),
    "vit_base_patch16_siglip_512": (_siglip(16, 512), HALF, "v2_webli", 512, 7_087_872),
    "vit_base_patch32_siglip_256": (_siglip(32, 256, "gelu_tanh"), HALF, "v2_webli", 256, 7_087_872),
    "vit_small_patch14_dinov2": (_dinov2(_SMALL), IMAGENET, "lvd142m", 518, 0),
    "vit_small_patch14_reg4_dinov2": (_dinov2(_SMALL, 4), IMAGENET, "lvd142m", 518, 0),
    "vit_base_patch14_dinov2": (_dinov2(_BASE), IMAGENET, "lvd142m", 518, 0),
    "vit_base_patch14_reg4_dinov2": (_dinov2(_BASE, 4), IMAGENET, "lvd142m", 518, 0),
    "vit_small_patch16_dinov3": (_dinov3(_SMALL), IMAGENET, "lvd1689m", 256, 0),
    "vit_small_patch16_dinov3_qkvb": (_dinov3(_SMALL, True), IMAGENET, "lvd1689m", 256, 0),
    "vit_small_plus_patch16_dinov3": (_dinov3(_SMALL, **_PLUS), IMAGENET, "lvd1689m", 256, 0),
    "vit_small_plus_patch16_dinov3_qkvb": (_dinov3(_SMALL, True, **_PLUS), IMAGENET, "lvd1689m", 256, 0),
    "vit_base_patch16_dinov3": (_dinov3(_BASE), IMAGENET, "lvd1689m", 256, 0),
    "vit_base_patch16_dinov3_qkvb": (_dinov3(_BASE, True), IMAGENET, "lvd1689m", 256, 0),
    "vit_tiny_patch16_dinov3_qkvb": (_dinov3(_TINY, True), IMAGENET, "eupe_lvd1689m", 256, 0),
}
# Short name -> timm's name, the tag of its weights, and the preprocessing where it is not that of the name.
_SHORT = {
    "dino_small": ("vit_small_patch16_224", "dino", IMAGENET),
    "dino_base": ("vit_base_patch16_224", "dino", IMAGENET),
    "mae_base": ("vit_base_patch16_224", "mae", IMAGENET),
    "dinov2_small": ("vit_small_patch14_dinov2", "lvd142m"),
    "dinov2_small_reg": ("vit_small_patch14_reg4_dinov2", "lvd142m"),
    "dinov2_base": ("vit_base_patch14_dinov2", "lvd142m"),
    "dinov2_base_reg": ("vit_base_patch14_reg4_dinov2", "lvd142m"),
    "dinov3_small": ("vit_small_patch16_dinov3", "lvd1689m"),
    "dinov3_base": ("vit_base_patch16_dinov3", "lvd1689m"),
    "clip_base": ("vit_base_patch16_clip_quickgelu_224", "openai"),
    "openclip_base": ("vit_base_patch16_clip_224", "laion2b"),
    "tinyclip_xsmall": ("vit_xsmall_patch16_clip_224", "tinyclip_yfcc15m"),
    "siglip_base": ("vit_base_patch16_siglip_224", "webli"),
    "siglip2_base": ("vit_base_patch16_siglip_224", "v2_webli"),
}


def _record(name, architecture, preprocessing, tag, size, more):
    return Backbone(
        name=name,
        build=functools.partial(vit.ViT, architecture),
        stride=architecture.patch,
        channels=architecture.width,
        preprocessing=preprocessing,
        stages=vit.stages_of(architecture),
        endpoints=vit.endpoints_of(architecture),
        torch_keys=functools.partial(vit_names.torch_keys, architecture),
        classifier_prefixes=vit_names.CLASSIFIER_PREFIXES,
        translate=functools.partial(vit_names.to_timm, architecture),
        remat=True,
        parameters=architecture.parameters,
        download=4 * (architecture.parameters + more),
        size=size,
        **timm_weights(f"{name}.{tag}", licence_of(f"{name}.{tag}")),
    )


def _short(name, model, tag, preprocessing=None):
    record = _NAMED[model]
    return dataclasses.replace(
        record,
        name=name,
        preprocessing=preprocessing or record.preprocessing,
        # Facebook's files have no classifier.
        download=4 * record.parameters if tag in ("dino", "mae") else record.download,
        **timm_weights(f"{model}.{tag}", licence_of(f"{model}.{tag}")),
    )


_NAMED = {name: _record(name, *fields) for name, fields in _TIMM.items()}
RECORDS = (*_NAMED.values(), *(_short(name, *fields) for name, fields in _SHORT.items()))
