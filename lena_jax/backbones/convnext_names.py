"""The names of a ConvNeXt's weights: timm's, and how those of Facebook, transformers and OpenCLIP become timm's."""

import re
from collections.abc import Mapping

import numpy as np

from lena_jax.backbones.convnext import Architecture
from lena_jax.backbones.torch_names import inner_names

# The last norm is the classifier's: timm, too, applies it to the average.
CLASSIFIER_PREFIXES = (
    "head.",
    "norm.",
    "norms.",
    "layernorm.",
    "layer_norm.",
    "classifier.",
    "decoder.",
    "text.",
    "visual.head.",
    "visual.trunk.head.",
)
_TOWERS = ("visual.trunk.", "convnext.", "convnextv2.")
_UNUSED = re.compile(
    r"mask_token|(head|norms?|layernorm|layer_norm|classifier|projectors|token_embedding|transformer|ln_final)\..*|"
    r"positional_embedding|text_projection|logit_scale|attn_mask"
)
_BLOCK = r"(?:encoder\.|model\.)?stages\.(\d)\.(?:blocks\.|layers\.)?(\d+)\."
_RENAMED = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"downsample_layers\.0\.([01])\.(\w+)", r"stem.\1.\2"),
        (r"embeddings\.patch_embeddings\.(\w+)", r"stem.0.\1"),
        (r"embeddings\.layernorm\.(\w+)", r"stem.1.\1"),
        (r"downsample_layers\.([123])\.([01])\.(\w+)", r"stages.\1.downsample.\2.\3"),
        (
            r"(?:encoder\.)?stages\.([123])\.downsampl(?:ing_layer|e_layers)\.([01])\.(\w+)",
            r"stages.\1.downsample.\2.\3",
        ),
        (r"(?:model\.)?stages\.0\.downsample_layers\.([01])\.(\w+)", r"stem.\1.\2"),
        (_BLOCK + r"(?:dwconv|depthwise_conv)\.(\w+)", r"stages.\1.blocks.\2.conv_dw.\3"),
        (_BLOCK + r"(?:norm|layernorm|layer_norm)\.(\w+)", r"stages.\1.blocks.\2.norm.\3"),
        (_BLOCK + r"(?:pwconv|pointwise_conv)([12])\.(\w+)", r"stages.\1.blocks.\2.mlp.fc\3.\4"),
        (_BLOCK + r"(?:layer_scale_parameter)", r"stages.\1.blocks.\2.gamma"),
        (_BLOCK + r"gamma", r"stages.\1.blocks.\2.gamma"),
        (_BLOCK + r"grn\.(?:gamma|weight)", r"stages.\1.blocks.\2.mlp.grn.weight"),
        (_BLOCK + r"grn\.(?:beta|bias)", r"stages.\1.blocks.\2.mlp.grn.bias"),
    )
]


def torch_keys(architecture: Architecture) -> dict[str, dict[tuple[str, ...], str]]:
    """Return {"timm": path of each leaf in `variables` -> its key in a state dictionary}."""
    layers, norms, keys = {("stem",): "stem.0"}, {("stem", "norm"): "stem.1"}, {}
    for stage, repeats in enumerate(architecture.repeats):
        if stage:
            layers[(f"stage{stage + 1}_downsample",)] = f"stages.{stage}.downsample.1"
            norms[f"stage{stage + 1}_downsample", "norm"] = f"stages.{stage}.downsample.0"
        for index in range(repeats):
            block, theirs = f"stage{stage + 1}_block{index}", f"stages.{stage}.blocks.{index}"
            layers |= {(block,): f"{theirs}.conv_dw"}
            layers |= {(block, name): f"{theirs}.mlp.{name}" for name in ("fc1", "fc2")}
            norms[block, "norm"] = f"{theirs}.norm"
            if architecture.version == 1:
                keys[block, "scale"] = f"{theirs}.gamma"
            else:
                norms[block, "grn"] = f"{theirs}.mlp.grn"
    for kind, named in (("kernel", layers), ("scale", norms)):
        for path, key in named.items():
            keys[*path, kind], keys[*path, "bias"] = f"{key}.weight", f"{key}.bias"
    return {"timm": {("params", *path): key for path, key in keys.items()}}


def to_timm(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Give the tensors of a file timm's names, and matrices where timm has 1x1 convolutions.

    Classifiers, the norm before them and text towers are left out. What was not recognised keeps its name.
    """
    found = {}
    for name, tensor in inner_names(tensors, _TOWERS).items():
        if _UNUSED.fullmatch(name):
            continue
        for pattern, theirs in _RENAMED:
            if match := pattern.fullmatch(name):
                name = match.expand(theirs)
                break
        if re.search(r"\.mlp\.fc[12]\.weight$", name) and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
            tensor = tensor[:, :, 0, 0]
        elif ".grn." in name or name.endswith(".gamma"):
            tensor = tensor.reshape(-1)
        found[name] = tensor
    return found
