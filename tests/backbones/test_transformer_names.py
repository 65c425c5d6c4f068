"""The namings of vision transformers and ConvNeXts: each gives bitwise the same variables, and misfits are named."""

import re

import jax
import numpy as np
import pytest
import transformer_reference as reference
from transformer_reference import FAMILIES

from lena_jax.backbones.variables import convert_variables

RNG = np.random.RandomState(1)


def load(family, tensors):
    shapes = reference.shapes(family.build())
    return convert_variables(family.translate(tensors), shapes, family.keys, "file")


def renamed(state, names):
    """Rename by (pattern, replacement), the first that matches a whole name."""
    found = {}
    for key, value in state.items():
        pattern, name = next((pair for pair in names if re.fullmatch(pair[0], key)), (key, key))
        found[re.sub(pattern, name, key) if pattern != key else key] = value
    return found


def split_qkv(state, pattern):
    """Replace each `attn.qkv` by three tensors, named with `pattern.format(block, part, leaf)`."""
    found = {}
    for key, value in state.items():
        if match := re.fullmatch(r"blocks\.(\d+)\.attn\.qkv\.(\w+)", key):
            for part, piece in zip(("q", "k", "v"), np.split(value, 3), strict=True):
                found[pattern(match[1], part, match[2])] = piece
        else:
            found[key] = value
    return found


LONG = {"q": "query", "k": "key", "v": "value"}
CLIP_NAMES = [
    (r"patch_embed\.proj\.(.*)", r"embeddings.patch_embedding.\1"),
    (r"norm_pre\.(.*)", r"pre_layrnorm.\1"),
    (r"norm\.(.*)", r"post_layernorm.\1"),
    (r"blocks\.(\d+)\.norm(.*)", r"encoder.layers.\1.layer_norm\2"),
    (r"blocks\.(\d+)\.attn\.proj(.*)", r"encoder.layers.\1.self_attn.out_proj\2"),
    (r"blocks\.(\d+)\.mlp(.*)", r"encoder.layers.\1.mlp\2"),
    (r"cls_token", r"embeddings.class_embedding"),
    (r"pos_embed", r"embeddings.position_embedding.weight"),
]
DINO_NAMES = [
    (r"patch_embed\.proj\.(.*)", r"embeddings.patch_embeddings.projection.\1"),
    (r"norm\.(.*)", r"layernorm.\1"),
    (r"blocks\.(\d+)\.attn\.proj(.*)", r"encoder.layer.\1.attention.output.dense\2"),
    (r"blocks\.(\d+)\.ls(\d)\.gamma", r"encoder.layer.\1.layer_scale\2.lambda1"),
    (r"blocks\.(.*)", r"encoder.layer.\1"),
    (r"cls_token", r"embeddings.cls_token"),
    (r"pos_embed", r"embeddings.position_embeddings"),
    (r"reg_token", r"embeddings.register_tokens"),
]
VIT_NAMES = [
    (r"blocks\.(\d+)\.norm1(.*)", r"encoder.layer.\1.layernorm_before\2"),
    (r"blocks\.(\d+)\.norm2(.*)", r"encoder.layer.\1.layernorm_after\2"),
    (r"blocks\.(\d+)\.mlp\.fc1(.*)", r"encoder.layer.\1.intermediate.dense\2"),
    (r"blocks\.(\d+)\.mlp\.fc2(.*)", r"encoder.layer.\1.output.dense\2"),
    *DINO_NAMES,
]
DINOV3_NAMES = [
    (r"patch_embed\.proj\.(.*)", r"embeddings.patch_embeddings.\1"),
    (r"blocks\.(\d+)\.attn\.proj(.*)", r"layer.\1.attention.o_proj\2"),
    (r"blocks\.(\d+)\.gamma_(\d)", r"layer.\1.layer_scale\2.lambda1"),
    (r"blocks\.(\d+)\.mlp\.fc1_g(.*)", r"layer.\1.mlp.gate_proj\2"),
    (r"blocks\.(\d+)\.mlp\.fc1(?:_x)?(\..*)", r"layer.\1.mlp.up_proj\2"),
    (r"blocks\.(\d+)\.mlp\.fc2(.*)", r"layer.\1.mlp.down_proj\2"),
    (r"blocks\.(\d+)\.attn\.([qv])_bias", r"layer.\1.attention.\2_proj.bias"),
    (r"blocks\.(.*)", r"layer.\1"),
    (r"(cls_token)", r"embeddings.\1"),
    (r"reg_token", r"embeddings.register_tokens"),
]
META3_NAMES = [
    (r"reg_token", r"storage_tokens"),
    (r"(.*)\.gamma_(\d)", r"\1.ls\2.gamma"),
    (r"(.*)\.fc1_g\.(.*)", r"\1.w1.\2"),
    (r"(.*)\.fc1_x\.(.*)", r"\1.w2.\2"),
]
OPENAI_NAMES = [
    (r"cls_token", r"class_embedding"),
    (r"patch_embed\.proj\.(.*)", r"conv1.\1"),
    (r"pos_embed", r"positional_embedding"),
    (r"norm_pre\.(.*)", r"ln_pre.\1"),
    (r"norm\.(.*)", r"ln_post.\1"),
    (r"blocks\.(\d+)\.norm(.*)", r"transformer.resblocks.\1.ln_\2"),
    (r"blocks\.(\d+)\.attn\.qkv\.(.*)", r"transformer.resblocks.\1.attn.in_proj_\2"),
    (r"blocks\.(\d+)\.attn\.proj(.*)", r"transformer.resblocks.\1.attn.out_proj\2"),
    (r"blocks\.(\d+)\.mlp\.fc1(.*)", r"transformer.resblocks.\1.mlp.c_fc\2"),
    (r"blocks\.(\d+)\.mlp\.fc2(.*)", r"transformer.resblocks.\1.mlp.c_proj\2"),
]
FACEBOOK_CONVNEXT = [
    (r"stem\.(.*)", r"downsample_layers.0.\1"),
    (r"stages\.(\d)\.downsample\.(.*)", r"downsample_layers.\1.\2"),
    (r"stages\.(\d)\.blocks\.(\d+)\.conv_dw(.*)", r"stages.\1.\2.dwconv\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc(.*)", r"stages.\1.\2.pwconv\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.grn\.weight", r"stages.\1.\2.grn.gamma"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.grn\.bias", r"stages.\1.\2.grn.beta"),
    (r"stages\.(\d)\.blocks\.(.*)", r"stages.\1.\2"),
]
HF_CONVNEXT = [
    (r"stem\.0\.(.*)", r"embeddings.patch_embeddings.\1"),
    (r"stem\.1\.(.*)", r"embeddings.layernorm.\1"),
    (r"stages\.(\d)\.downsample\.(.*)", r"encoder.stages.\1.downsampling_layer.\2"),
    (r"stages\.(\d)\.blocks\.(\d+)\.conv_dw(.*)", r"encoder.stages.\1.layers.\2.dwconv\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.norm(.*)", r"encoder.stages.\1.layers.\2.layernorm\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.gamma", r"encoder.stages.\1.layers.\2.layer_scale_parameter"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc(.*)", r"encoder.stages.\1.layers.\2.pwconv\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.grn(.*)", r"encoder.stages.\1.layers.\2.grn\3"),
]
DINOV3_CONVNEXT = [
    (r"stem\.(.*)", r"stages.0.downsample_layers.\1"),
    (r"stages\.(\d)\.downsample\.(.*)", r"stages.\1.downsample_layers.\2"),
    (r"stages\.(\d)\.blocks\.(\d+)\.conv_dw(.*)", r"stages.\1.layers.\2.depthwise_conv\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.norm(.*)", r"stages.\1.layers.\2.layer_norm\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc(.*)", r"stages.\1.layers.\2.pointwise_conv\3"),
    (r"stages\.(\d)\.blocks\.(.*)", r"stages.\1.layers.\2"),
]


def prefixed(state, prefix, **others):
    return {f"{prefix}{key}": value for key, value in state.items()} | {key: RNG.normal(size=3) for key in others}


def huggingface(state, names, attention, prefix=""):
    return prefixed(renamed(split_qkv(state, attention), names), prefix)


def clip_attention(block, part, leaf):
    return f"encoder.layers.{block}.self_attn.{part}_proj.{leaf}"


def old_attention(block, part, leaf):
    return f"encoder.layer.{block}.attention.attention.{LONG[part]}.{leaf}"


def dinov3_attention(block, part, leaf):
    return f"layer.{block}.attention.{part}_proj.{leaf}"


def flat(state, *keys):
    """Without the first axis of the tokens."""
    return {key: value[0] if key in keys and value.ndim == 3 else value for key, value in state.items()}


def with_grn_axes(state):
    return {key: value[None, None, None] if ".grn." in key else value for key, value in state.items()}


def more(state, *names):
    """With tensors that no feature map needs."""
    return state | {name: RNG.normal(size=(2, 3)).astype(np.float32) for name in names}


NAMINGS = {
    "plain: timm with its head": ("plain", lambda s: more(s, "head.weight", "head.bias")),
    "plain: transformers": (
        "plain",
        lambda s: more(huggingface(s, VIT_NAMES, old_attention, "vit."), "classifier.weight"),
    ),
    "plain: transformers, without a prefix": (
        "plain",
        lambda s: more(huggingface(s, VIT_NAMES, old_attention), "pooler.dense.weight"),
    ),
    "clip: transformers": (
        "clip",
        lambda s: more(
            flat(
                huggingface(s, CLIP_NAMES, clip_attention, "vision_model."),
                "vision_model.embeddings.position_embedding.weight",
            )
            | {"vision_model.embeddings.class_embedding": s["cls_token"][0, 0]},
            "text_model.encoder.layers.0.mlp.fc1.weight",
            "visual_projection.weight",
            "logit_scale",
            "vision_model.embeddings.position_ids",
        ),
    ),
    "clip: OpenAI": (
        "clip_quickgelu",
        lambda s: more(
            prefixed(renamed(s, OPENAI_NAMES), "visual.")
            | {
                "visual.class_embedding": s["cls_token"][0, 0],
                "visual.positional_embedding": s["pos_embed"][0],
            },
            "visual.proj",
            "transformer.resblocks.0.ln_1.weight",
            "token_embedding.weight",
            "positional_embedding",
        ),
    ),
    "clip: OpenCLIP's tower alone": (
        "clip",
        lambda s: more(
            renamed(s, OPENAI_NAMES)
            | {"class_embedding": s["cls_token"][0, 0], "positional_embedding": s["pos_embed"][0]},
            "proj",
        ),
    ),
    "siglip: OpenCLIP around timm": (
        "siglip",
        lambda s: more(
            prefixed(s, "visual.trunk."),
            "visual.trunk.attn_pool.latent",
            "text.transformer.resblocks.0.ln_1.weight",
            "logit_bias",
        ),
    ),
    "siglip: transformers": (
        "siglip",
        lambda s: more(
            flat(
                huggingface(s, CLIP_NAMES, clip_attention, "vision_model."),
                "vision_model.embeddings.position_embedding.weight",
            ),
            "vision_model.head.probe",
            "text_model.final_layer_norm.weight",
        ),
    ),
    "dinov2: transformers": (
        "dinov2",
        lambda s: more(huggingface(s, DINO_NAMES, old_attention), "embeddings.mask_token"),
    ),
    "dinov2: transformers, a classifier": (
        "dinov2",
        lambda s: more(huggingface(s, DINO_NAMES, old_attention, "dinov2."), "classifier.weight"),
    ),
    "dinov2: Meta": ("dinov2", lambda s: more(s, "mask_token")),
    "dinov3: transformers": (
        "dinov3_qkvb",
        lambda s: more(huggingface(s, DINOV3_NAMES, dinov3_attention), "embeddings.mask_token"),
    ),
    "dinov3 plus: transformers": ("dinov3_plus", lambda s: huggingface(s, DINOV3_NAMES, dinov3_attention)),
    "dinov3 plus: Meta": (
        "dinov3_plus",
        lambda s: more(
            {key.replace("mlp.fc2", "mlp.w3"): value for key, value in renamed(s, META3_NAMES).items()}
            | {f"blocks.{index}.attn.qkv.bias": np.zeros(96, np.float32) for index in range(4)},
            "rope_embed.periods",
            "mask_token",
            "blocks.0.attn.qkv.bias_mask",
            "local_cls_norm.weight",
        ),
    ),
    "convnext: Facebook": (
        "convnext",
        lambda s: more(renamed(s, FACEBOOK_CONVNEXT), "norm.weight", "head.weight", "head.bias"),
    ),
    "convnext: transformers": (
        "convnext",
        lambda s: more(prefixed(renamed(s, HF_CONVNEXT), "convnext."), "convnext.layernorm.bias", "classifier.weight"),
    ),
    "convnext: transformers, DINOv3": ("convnext", lambda s: more(renamed(s, DINOV3_CONVNEXT), "layer_norm.weight")),
    "convnext: OpenCLIP around timm": (
        "convnext",
        lambda s: more(prefixed(s, "visual.trunk."), "visual.trunk.head.norm.weight", "visual.head.proj.weight"),
    ),
    "convnext: 1x1 convolutions": ("convnext_small_kernels", lambda s: more(s, "head.norm.weight", "head.fc.weight")),
    "convnextv2: Facebook": (
        "convnextv2",
        lambda s: more(with_grn_axes(renamed(s, FACEBOOK_CONVNEXT)), "norm.weight", "head.weight"),
    ),
    "convnextv2: transformers": (
        "convnextv2",
        lambda s: more(with_grn_axes(prefixed(renamed(s, HF_CONVNEXT), "convnextv2.")), "classifier.weight"),
    ),
}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_timms_own_names_give_the_variables(name):
    family = FAMILIES[name]
    expected = reference.variables(family)
    jax.tree.map(np.testing.assert_array_equal, load(family, reference.timm_state(family)), expected)


@pytest.mark.parametrize("naming", list(NAMINGS))
def test_other_namings_give_bitwise_the_same_variables(naming):
    name, convert = NAMINGS[naming]
    family = FAMILIES[name]
    state = reference.timm_state(family)
    tensors = convert(state)
    assert set(tensors) != set(state)
    jax.tree.map(np.testing.assert_array_equal, load(family, tensors), reference.variables(family))


@pytest.mark.parametrize("naming", ["Meta", "transformers"])
def test_registers_take_over_the_position_of_the_class_token(naming):
    family = FAMILIES["dinov2_registers"]
    state = reference.timm_state(family)
    position = RNG.normal(size=(1, 1, 32)).astype(np.float32)
    token = RNG.normal(size=(1, 1, 32)).astype(np.float32)
    theirs = state | {"cls_token": token, "pos_embed": np.concatenate([position, state["pos_embed"]], 1)}
    if naming == "Meta":
        theirs["register_tokens"] = theirs.pop("reg_token")
    else:
        theirs = huggingface(theirs, DINO_NAMES, old_attention)
    expected = load(family, state | {"cls_token": token + position})
    jax.tree.map(np.testing.assert_array_equal, load(family, theirs), expected)


def test_weights_of_another_family_do_not_fit():
    with pytest.raises(ValueError, match="left over: blocks.0.ls1.gamma"):
        load(FAMILIES["plain"], reference.timm_state(FAMILIES["dinov2"]))
    with pytest.raises(ValueError, match="missing: .*reg_token"):
        load(FAMILIES["dinov2_registers"], reference.timm_state(FAMILIES["dinov2"]))
    # Biases that are not zero must not be lost.
    biased = huggingface(reference.timm_state(FAMILIES["dinov3_qkvb"]), DINOV3_NAMES, dinov3_attention)
    with pytest.raises(ValueError, match="left over: blocks.0.attn.qkv.bias"):
        load(FAMILIES["dinov3"], biased)
