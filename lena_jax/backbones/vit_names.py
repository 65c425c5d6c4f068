"""The names of a vision transformer's weights: timm's, and how those of others become timm's.

The naming is told by the names: timm's, Meta's (DINOv2, DINOv3), Hugging Face transformers' (ViT, CLIP, SigLIP, DINOv2,
DINOv3), OpenCLIP's and OpenAI's, and OpenCLIP's around a transformer of timm.
"""

import re
from collections.abc import Mapping

import numpy as np

from lena_jax.backbones.torch_names import inner_names
from lena_jax.backbones.vit import Architecture

# How the names begin that are read for nothing: heads, poolings and text towers.
CLASSIFIER_PREFIXES = (
    "head.",
    "attn_pool.",
    "classifier.",
    "decoder",
    "text.",
    "text_model.",
    "token_embedding.",
    "vision_model.head.",
    "visual.head.",
    "visual.trunk.attn_pool.",
)
# Around the names of a whole model, in the order in which they are looked for.
_TOWERS = ("visual.trunk.", "visual.", "vision_model.", "vit.", "dinov2.", "dinov2_with_registers.")
# What training, poolings, heads and text towers leave in a file, after the tower's name is removed.
_UNUSED = re.compile(
    r"((embeddings\.)?mask_token|.*\.(periods|bias_mask|position_ids)|proj|(head|attn_pool|fc_norm|pre_logits|pooler|"
    r"classifier|local_cls_norm|projectors|text_projection|visual_projection|ln_final)\b.*|logit_(scale|bias))"
)
_LAYER = r"(?:model\.)?(?:encoder\.layers?|transformer\.resblocks|layers?|blocks)\.(\d+)\."
# Pattern of a whole name -> timm's name.
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?:embeddings\.)?(?:cls_token|class_embedding)", r"cls_token"),
        (r"embeddings\.position_embeddings|embeddings\.position_embedding\.weight|positional_embedding", r"pos_embed"),
        (r"(?:embeddings\.)?(?:register_tokens|storage_tokens)", r"reg_token"),
        (r"(?:embeddings\.patch_embeddings?(?:\.projection)?|conv1)\.(weight|bias)", r"patch_embed.proj.\1"),
        (r"(?:pre_layrnorm|ln_pre)\.(\w+)", r"norm_pre.\1"),
        (r"(?:post_layernorm|layernorm|ln_post)\.(\w+)", r"norm.\1"),
        (_LAYER + r"(?:layer_norm|layernorm_|norm|ln_)(1|2|before|after)\.(\w+)", r"blocks.\1.norm\2.\3"),
        (
            _LAYER + r"(?:self_attn|attention|attention\.attention)\.([qkv])(?:_proj|uery|ey|alue)\.(\w+)",
            r"blocks.\1.attn.\2.\3",
        ),
        (_LAYER + r"attn\.([qkv])_bias", r"blocks.\1.attn.\2.bias"),
        (_LAYER + r"attn\.in_proj_(\w+)", r"blocks.\1.attn.qkv.\2"),
        (
            _LAYER + r"(?:self_attn\.out_proj|attn\.out_proj|attention\.output\.dense|attention\.o_proj)\.(\w+)",
            r"blocks.\1.attn.proj.\2",
        ),
        (_LAYER + r"mlp\.(fc[12])\.(\w+)", r"blocks.\1.mlp.\2.\3"),
        (_LAYER + r"(?:layer_scale([12])\.lambda1|gamma_([12]))", r"blocks.\1.ls\2\3.gamma"),
        (_LAYER + r"(?:intermediate\.dense|mlp\.(?:c_fc|up_proj|fc1_x|w2))\.(\w+)", r"blocks.\1.mlp.fc1.\2"),
        (_LAYER + r"mlp\.(?:gate_proj|fc1_g|w1)\.(\w+)", r"blocks.\1.mlp.gate.\2"),
        (_LAYER + r"(?:output\.dense|mlp\.(?:c_proj|down_proj|w3))\.(\w+)", r"blocks.\1.mlp.fc2.\2"),
    )
]


def torch_keys(architecture: Architecture) -> dict[str, dict[tuple[str, ...], str]]:
    """Return {"timm": path of each leaf in `variables` -> its key}, as `to_timm` names the keys."""
    a = architecture
    layers = {("norm",): "norm"}
    keys = {("embed", "kernel"): "patch_embed.proj.weight"}
    if a.pre_norm:
        layers["embed", "norm"] = "norm_pre"
    else:
        keys["embed", "bias"] = "patch_embed.proj.bias"
    if a.class_token:
        keys["embed", "class"] = "cls_token"
    if a.registers:
        keys["embed", "registers"] = "reg_token"
    if a.positions != "rotary":
        keys["embed", "positions"] = "pos_embed"
    for index in range(a.depth):
        block, theirs = f"block{index}", f"blocks.{index}"
        layers |= {(block, name): f"{theirs}.{name}" for name in ("norm1", "norm2")}
        for name, key in (("qkv", "attn.qkv"), ("proj", "attn.proj"), ("fc1", "mlp.fc1"), ("fc2", "mlp.fc2")):
            keys[block, name, "kernel"] = f"{theirs}.{key}.weight"
            keys[block, name, "bias"] = f"{theirs}.{key}.bias"
        if not a.qkv_bias:
            del keys[block, "qkv", "bias"]
        if a.activation == "swiglu":
            keys[block, "gate", "kernel"] = f"{theirs}.mlp.gate.weight"
            keys[block, "gate", "bias"] = f"{theirs}.mlp.gate.bias"
        if a.layer_scale:
            keys |= {(block, f"scale{part}"): f"{theirs}.ls{part}.gamma" for part in (1, 2)}
    for path, key in layers.items():
        keys[*path, "scale"], keys[*path, "bias"] = f"{key}.weight", f"{key}.bias"
    return {"timm": {("params", *path): key for path, key in keys.items()}}


def to_timm(architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the tensors of a file timm's names and shapes, whatever naming they have.

    Three names are not timm's: `ls1.gamma` and `ls2.gamma` also where timm says `gamma_1` and `gamma_2`, `mlp.gate` and
    `mlp.fc1` for `mlp.fc1_g` and `mlp.fc1_x`, and one `attn.qkv.bias` where timm has `attn.q_bias` and `attn.v_bias`.
    Heads, poolings and text towers are left out. Where the file has a position for the class token, and the
    architecture adds none (DINOv2 with registers), it is added to the class token, as timm does. A bias of queries,
    keys and values that is zero throughout is left out where the architecture has none (DINOv3).

    Args:
        architecture: which one the weights are for.
        tensors: name -> array.

    Returns:
        name -> array. What was not recognised keeps its name.
    """
    found = {}
    for name, tensor in inner_names(tensors, _TOWERS).items():
        if not _UNUSED.fullmatch(name):
            found[_renamed(name)] = tensor
    for name in ("cls_token", "pos_embed"):
        if name in found and found[name].ndim < 3:
            found[name] = found[name].reshape(1, -1, architecture.width)
    for index in range(architecture.depth):
        _join(found, f"blocks.{index}.attn", architecture)
    cells = architecture.grid**2
    positions = found.get("pos_embed")
    if architecture.positions == "patches" and architecture.class_token and positions is not None:
        if positions.shape[1] == cells + 1 and "cls_token" in found:
            positions = np.asarray(positions, np.float32)
            found["cls_token"] = np.asarray(found["cls_token"], np.float32) + positions[:, :1]
            found["pos_embed"] = positions[:, 1:]
    return found


def _renamed(name):
    for pattern, theirs in _RENAMED:
        if match := pattern.fullmatch(name):
            name = match.expand(theirs)
            break
    return name.replace(".normbefore.", ".norm1.").replace(".normafter.", ".norm2.")


def _join(found, name, architecture):
    """Put queries, keys and values together, in place."""
    kernels = [found.pop(f"{name}.{part}.weight", None) for part in "qkv"]
    if all(kernel is not None for kernel in kernels):
        found[f"{name}.qkv.weight"] = np.concatenate(kernels)
    biases = [found.pop(f"{name}.{part}.bias", None) for part in "qkv"]
    there = [bias for bias in biases if bias is not None]
    if there:
        found[f"{name}.qkv.bias"] = np.concatenate([np.zeros_like(there[0]) if one is None else one for one in biases])
    bias = found.get(f"{name}.qkv.bias")
    if bias is not None and not architecture.qkv_bias and not np.any(bias):
        del found[f"{name}.qkv.bias"]
