"""Vision transformers and ConvNeXts against timm with random weights, for every name; skips where timm is absent.

timm 1.0.31 in its own environment, because it needs torchvision:

    python -m pytest -n 0 tests/backbones/test_timm_transformers.py
"""

import backbone_reference as reference
import jax
import numpy as np
import pytest

from lena_jax.backbones import BACKBONES, get_backbone, load_pretrained
from lena_jax.backbones.convnext import _normalized

NAMES = sorted(
    name
    for name, record in BACKBONES.items()
    if record.translate is not None and record.source.startswith(f"hf:timm/{name}.")
)


def sizes(name):
    """Three sizes that the patch divides, one of them not square."""
    small, wide = (112, 154) if get_backbone(name).stride == 14 else (128, 192)
    return ((small, small), (small, wide), (224, 224))


def make(name):
    """A model of timm with random weights, far from those that a new network starts from."""
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    torch.manual_seed(0)
    options = {} if name.startswith("convnext") else {"dynamic_img_size": True}
    network = timm.create_model(name, num_classes=0, **options).eval()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if key.endswith((".gamma", "gamma_1", "gamma_2")):
                value.uniform_(0.2, 0.6)
            elif "norm" in key or "grn" in key:
                value.uniform_(0.5, 1.5) if key.endswith("weight") else value.normal_(0, 0.2)
            elif value.ndim == 1:
                value.normal_(0, 0.2)
            elif value.ndim == 3:
                value.normal_(0, 0.5)
            else:
                value.normal_(0, 1 / np.sqrt(value[0].numel()))
    return network


def error(got, expected):
    assert got.shape == expected.shape
    return np.abs(np.asarray(got) - expected).max() / np.abs(expected).max()


def expected_features(network, name, x):
    """An endpoint that has all levels, and timm's features for it, `[B, h, w, C]`."""
    import torch

    x = torch.from_numpy(x).permute(0, 3, 1, 2)
    with torch.no_grad():
        last = network.forward_features(x)
        if name.startswith("convnext"):
            last, stages = last.permute(0, 2, 3, 1).numpy(), network.forward_intermediates(x, intermediates_only=True)
            levels = [np.asarray(_normalized(stage.permute(0, 2, 3, 1).numpy())) for stage in stages]
            b, h, w, _ = last.shape
            averaged = [
                level.reshape(b, h, len(level[0]) // h, w, -1, level.shape[-1]).mean((2, 4)) for level in levels
            ]
            return "multilevel", np.concatenate(averaged, -1)
        depth = len(network.blocks)
        chosen = [-(-depth * quarter // 4) - 1 for quarter in (1, 2, 3, 4)]
        levels = network.forward_intermediates(x, indices=chosen, norm=True, intermediates_only=True, output_fmt="NCHW")
        levels = [level.permute(0, 2, 3, 1).numpy() for level in levels]
        others = network.num_prefix_tokens
        if not others:
            return "multilevel", np.concatenate(levels, -1)
        token = np.broadcast_to(last[:, None, :1].numpy(), levels[0].shape)
        return "multilevel_class", np.concatenate([*levels, token], -1)


@pytest.mark.parametrize("name", NAMES)
def test_features_equal_timm(name, tmp_path):
    network = make(name)
    import torch
    from safetensors.torch import save_file

    save_file(network.state_dict(), tmp_path / "model.safetensors")
    variables = load_pretrained(name, tmp_path / "model.safetensors")
    errors = []
    for size in sizes(name):
        x = reference.pictures(*size)
        endpoint, expected = expected_features(network, name, x)
        got = jax.jit(get_backbone(name).build(endpoint=endpoint).apply)(variables, x)
        errors.append(error(got, expected))
    print(name, torch.__version__, [f"{value:.1e}" for value in errors])
    assert max(errors) < 1e-4


@pytest.mark.parametrize("name", ["convnext_atto", "convnextv2_atto"])
def test_a_finer_grid_is_timms(name, tmp_path):
    network = make(name)
    import timm
    import torch

    fine = timm.create_model(name, num_classes=0, output_stride=16).eval()
    fine.load_state_dict(network.state_dict())
    torch.save(network.state_dict(), tmp_path / "model.pth")
    variables = load_pretrained(name, tmp_path / "model.pth")
    x = reference.pictures(128, 192)
    with torch.no_grad():
        expected = fine.forward_features(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    got = jax.jit(get_backbone(name).build(endpoint="stage4", output_stride=16).apply)(variables, x)
    assert error(got, expected) < 1e-4
