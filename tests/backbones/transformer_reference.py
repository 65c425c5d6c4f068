"""Tiny vision transformers and ConvNeXts of every family with weights from a seed, and the features timm has for them.

    python tests/backbones/transformer_reference.py

writes `transformer_features.npz` (timm 1.0.31, torch 2.14.1): for each of `FAMILIES` and `SIZES`, every 8th channel of
all levels and of the class token.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import numpy as np
from backbone_reference import pictures

from lena_jax.backbones import convnext, convnext_names, vit, vit_names

FILE = Path(__file__).with_name("transformer_features.npz")
# The second is not square.
_KNOWN: dict[Any, np.ndarray] = {}
SIZES = {14: ((70, 70), (84, 126)), 16: ((64, 64), (80, 112)), 32: ((64, 64), (64, 96))}
CHANNEL_STEP = 8
_SMALL = dict(embed_dim=32, depth=4, num_heads=2)
_STAGES = dict(dims=(8, 16, 24, 32), depths=(1, 1, 2, 1))


class Family(NamedTuple):
    """The model of timm with its options, and ours."""

    model: str
    options: dict[str, Any]
    architecture: vit.Architecture | convnext.Architecture

    @property
    def is_convnext(self):
        return isinstance(self.architecture, convnext.Architecture)

    @property
    def sizes(self):
        return SIZES[32 if self.is_convnext else self.architecture.patch]

    @property
    def endpoint(self):
        return "multilevel_class" if not self.is_convnext and self.architecture.class_token else "multilevel"

    def build(self, **options):
        module = convnext.ConvNeXt if self.is_convnext else vit.ViT
        return module(self.architecture, **options)

    @property
    def keys(self):
        names = convnext_names if self.is_convnext else vit_names
        return names.torch_keys(self.architecture)["timm"]

    def translate(self, tensors):
        return convnext_names.to_timm(tensors) if self.is_convnext else vit_names.to_timm(self.architecture, tensors)


def _vit(model, patch, grid, hidden=128, **options):
    more = {} if grid == 0 else {"dynamic_img_size": True, "img_size": patch * grid}
    if "swiglu" in options.values():
        # timm takes the hidden layer's width as a multiple of the token's.
        more["mlp_ratio"] = hidden / 32
    return Family(model, _SMALL | more, vit.Architecture(32, 4, 2, patch, grid, hidden, **options))


_CLIP = dict(pre_norm=True, epsilon=1e-5)
_DINOV3 = dict(registers=4, positions="rotary", layer_scale=True, epsilon=1e-5)
FAMILIES = {
    "plain": _vit("vit_small_patch16_224", 16, 5),
    "clip": _vit("vit_base_patch16_clip_224", 16, 5, **_CLIP),
    "clip_quickgelu": _vit("vit_base_patch16_clip_quickgelu_224", 16, 5, activation="quick_gelu", **_CLIP),
    "siglip": _vit("vit_base_patch16_siglip_224", 16, 5, class_token=False, positions="patches"),
    "siglip_tanh": _vit(
        "vit_base_patch32_siglip_256", 32, 3, class_token=False, positions="patches", activation="gelu_tanh"
    ),
    "dinov2": _vit("vit_small_patch14_dinov2", 14, 7, layer_scale=True),
    "dinov2_registers": _vit(
        "vit_small_patch14_reg4_dinov2", 14, 7, layer_scale=True, registers=4, positions="patches"
    ),
    "dinov3": _vit("vit_small_patch16_dinov3", 16, 0, qkv_bias=False, **_DINOV3),
    "dinov3_qkvb": _vit("vit_small_patch16_dinov3_qkvb", 16, 0, **_DINOV3),
    "dinov3_plus": _vit("vit_small_plus_patch16_dinov3", 16, 0, 128, qkv_bias=False, activation="swiglu", **_DINOV3),
    "convnext": Family("convnext_tiny", _STAGES, convnext.Architecture(_STAGES["depths"], _STAGES["dims"])),
    "convnext_small_kernels": Family(
        "convnext_nano", _STAGES, convnext.Architecture(_STAGES["depths"], _STAGES["dims"])
    ),
    "convnextv2": Family("convnextv2_tiny", _STAGES, convnext.Architecture(_STAGES["depths"], _STAGES["dims"], 2)),
}


@functools.cache
def shapes(module):
    """Path -> shape of each variable of a module."""
    variables = jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32))
    return {path: leaf.shape for path, leaf in flax.traverse_util.flatten_dict(variables).items()}


def variables(family):
    """Variables of a family, the same wherever they are drawn, with features that stay around 1."""
    # `RandomState` promises its stream for all versions of NumPy.
    rng = np.random.RandomState(0)
    module = family.build(endpoint=family.endpoint)
    leaves = {}
    for path, shape in sorted(shapes(module).items()):
        if path[-1] == "kernel":
            drawn = rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
        elif path[-1].startswith("scale"):
            drawn = rng.uniform(0.4, 1.4, shape)
        else:
            drawn = rng.normal(0, 0.3, shape)
        leaves[path] = drawn.astype(np.float32)
        if path[-2:] == ("qkv", "bias") and family.architecture.positions == "rotary":
            leaves[path][32:64] = 0  # DINOv3's keys have no bias.
    return flax.traverse_util.unflatten_dict(leaves)


def timm_state(family):
    """`variables` in timm's own names and layouts."""
    leaves = flax.traverse_util.flatten_dict(variables(family))
    state = {}
    for path, key in family.keys.items():
        value = leaves[path]
        if path[-1] == "kernel":
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        elif value.ndim == 2:
            value = value[None]
        state[key] = np.ascontiguousarray(value)
    if family.is_convnext:
        if family.model == "convnext_nano":
            state = {
                key: value[..., None, None] if ".mlp.fc" in key and value.ndim == 2 else value
                for key, value in state.items()
            }
        return state
    if family.architecture.positions == "rotary":
        for index in range(4):
            at = f"blocks.{index}"
            for part in (1, 2):
                state[f"{at}.gamma_{part}"] = state.pop(f"{at}.ls{part}.gamma")
            if family.architecture.qkv_bias:
                state[f"{at}.attn.q_bias"], _, state[f"{at}.attn.v_bias"] = np.split(
                    state.pop(f"{at}.attn.qkv.bias"), 3
                )
            if family.architecture.activation == "swiglu":
                for leaf in ("weight", "bias"):
                    state[f"{at}.mlp.fc1_x.{leaf}"] = state.pop(f"{at}.mlp.fc1.{leaf}")
                    state[f"{at}.mlp.fc1_g.{leaf}"] = state.pop(f"{at}.mlp.gate.{leaf}")
    return state


def features(family, size, **options):
    """Our features of `pictures`."""
    module = family.build(endpoint=family.endpoint, **options)
    # Two families may share an architecture, and so a program.
    key = module, size
    if key not in _KNOWN:
        _KNOWN[key] = np.asarray(jax.jit(module.apply)(variables(family), pictures(*size)))
    return _KNOWN[key]


def timm_features(family, size):
    """timm's features for all levels and the class token, `[B, h, w, C]`."""
    import timm
    import torch

    network = timm.create_model(family.model, num_classes=0, **family.options).eval()
    state = {key: torch.tensor(value) for key, value in timm_state(family).items()}
    missing, extra = network.load_state_dict(state, strict=False)
    assert not extra and all(key.startswith(("attn_pool", "head.norm")) for key in missing), (missing, extra)
    x = torch.from_numpy(pictures(*size)).permute(0, 3, 1, 2)
    with torch.no_grad():
        if family.is_convnext:
            levels = network.forward_intermediates(x, intermediates_only=True)
            normal = [torch.nn.functional.layer_norm(y.permute(0, 2, 3, 1), y.shape[1:2], eps=1e-6) for y in levels]
            cells = levels[-1].shape[2:]
            normal = [torch.nn.functional.adaptive_avg_pool2d(y.permute(0, 3, 1, 2), cells) for y in normal]
            return torch.cat(normal, 1).permute(0, 2, 3, 1).numpy()
        levels = network.forward_intermediates(x, indices=[0, 1, 2, 3], norm=True, intermediates_only=True)
        if family.architecture.class_token:
            token = network.forward_features(x)[:, 0][..., None, None]
            levels.append(token.expand(-1, -1, *levels[0].shape[2:]))
        return torch.cat(levels, 1).permute(0, 2, 3, 1).numpy()


def stored(name, size):
    with np.load(FILE) as file:
        return file[f"{name} {size[0]}x{size[1]}"]


if __name__ == "__main__":
    np.savez_compressed(
        FILE,
        **{
            f"{name} {size[0]}x{size[1]}": timm_features(family, size)[..., ::CHANNEL_STEP]
            for name, family in FAMILIES.items()
            for size in family.sizes
        },
    )
