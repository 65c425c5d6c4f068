"""The names and shapes that timm gives the weights of the backbones, held against timm itself.

`NAMES` was made with timm 1.0.31 (torch 2.13.0) by

    python tests/backbones/test_timm_naming.py

from freshly made models, so from nothing that this repository says of them. With those models, random weights and
random BatchNorm statistics, the features were equal to 3e-5 of the largest at 64 x 64, 96 x 160, 75 x 107 and
224 x 224. `test_features_equal_timm` repeats that where timm is installed; it is in no extra, because it needs
torchvision.
"""

import hashlib

import backbone_reference as reference
import jax
import numpy as np
import pytest

from lena_jax.backbones import get_backbone, load_pretrained
from lena_jax.backbones.variables import variable_shapes

# timm's model, the number of tensors without the classifier, the SHA-256 of `listing`, and some of its lines.
NAMES = {
    "efficientnet_lite0": (
        "tf_efficientnet_lite0",
        245,
        "933ea5d8b61db98b7ca8b0e5513804f463a8bcbdc8070546facbee02998ce719",
        [
            "conv_stem.weight (32, 3, 3, 3)",
            "bn1.running_var (32,)",
            "blocks.0.0.conv_dw.weight (32, 1, 3, 3)",
            "blocks.0.0.conv_pw.weight (16, 32, 1, 1)",
            "blocks.0.0.bn2.bias (16,)",
            "blocks.1.0.conv_pw.weight (96, 16, 1, 1)",
            "blocks.5.3.conv_dw.weight (1152, 1, 5, 5)",
            "blocks.6.0.conv_pwl.weight (320, 1152, 1, 1)",
            "blocks.6.0.bn3.running_mean (320,)",
            "conv_head.weight (1280, 320, 1, 1)",
            "bn2.weight (1280,)",
        ],
    ),
    "efficientnet_lite1": (
        "tf_efficientnet_lite1",
        320,
        "657e3add3664063c718c165d36343cec8cd7cfdb1e91c7e9bfeb9afa981248c6",
        ["blocks.5.4.conv_dw.weight (1152, 1, 5, 5)", "conv_head.weight (1280, 320, 1, 1)"],
    ),
    "efficientnet_lite2": (
        "tf_efficientnet_lite2",
        320,
        "cfc5f48f438625fdedd1003c682ad2616ef2daf38e61d2ded8cd70b252b4c757",
        ["blocks.5.4.conv_dw.weight (1248, 1, 5, 5)", "conv_head.weight (1280, 352, 1, 1)"],
    ),
    "vgg16": (
        "vgg16",
        26,
        "4c3222feef6e051f859260b385cc5356855a30f72e22d043ddf2b585f4d5d64c",
        ["features.0.weight (64, 3, 3, 3)", "features.28.weight (512, 512, 3, 3)"],
    ),
    "vgg16_bn": (
        "vgg16_bn",
        78,
        "350b0d820eb17db0c4e14c26cfcf3394f64026579e1f5d9e6a80299b92715860",
        ["features.40.bias (512,)", "features.41.running_mean (512,)"],
    ),
    "resnet18": (
        "resnet18",
        100,
        "43a9b5e01e6dc88a5c2823318a45f378a255da51cc35a8f3b7b4f30eab2aa350",
        [
            "conv1.weight (64, 3, 7, 7)",
            "layer2.0.downsample.0.weight (128, 64, 1, 1)",
            "layer4.1.bn2.running_var (512,)",
        ],
    ),
    "resnet50": (
        "resnet50",
        265,
        "9fb760970125b1e99b28e16313c7736f260697133afbbaf25117831c5a3059ec",
        ["layer1.0.downsample.1.bias (256,)", "layer4.2.conv3.weight (2048, 512, 1, 1)"],
    ),
}


def listing(shapes):
    """One line for each tensor, sorted: its name and its shape in PyTorch's layout."""
    return "\n".join(sorted(f"{name} {tuple(shape)}" for name, shape in shapes.items()))


def summary(text):
    return text.count("\n") + 1, hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_and_shapes_are_timms(name):
    _, count, digest, some = NAMES[name]
    backbone = get_backbone(name)
    keys = next(keys for naming, keys in backbone.torch_keys().items() if "timm" in naming)
    # Transposed as a whole, a Flax kernel has PyTorch's layout: `[kh, kw, in, out]` is `[out, in, kw, kh]`, square.
    text = listing({keys[path]: shape[::-1] for path, shape in variable_shapes(backbone).items()})
    assert set(some) <= set(text.split("\n"))
    assert summary(text) == (count, digest)


def make(model, seed=0):
    """A model of timm with random weights and statistics."""
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    torch.manual_seed(seed)
    network = timm.create_model(model).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.3)
        elif key.endswith("running_var"):
            value.uniform_(0.3, 3)
        elif value.ndim == 1:
            value.uniform_(0.5, 1.5) if key.endswith("weight") else value.normal_(0, 0.2)
    return network


@pytest.mark.parametrize("name", sorted(NAMES))
def test_features_equal_timm(name, tmp_path):
    network = make(NAMES[name][0])
    import torch

    torch.save({"state_dict": network.state_dict()}, tmp_path / "model.pth")
    variables = load_pretrained(name, tmp_path / "model.pth")
    # timm ends VGG with a pooling, which the backbone leaves out.
    features = network.features[:-1] if name.startswith("vgg") else network.forward_features
    for size in ((96, 160), (75, 107)):
        x = reference.pictures(*size)
        with torch.no_grad():
            expected = features(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
        got = np.asarray(jax.jit(get_backbone(name).build().apply)(variables, x))
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


if __name__ == "__main__":
    for _name, (_model, *_) in NAMES.items():
        _state = make(_model).state_dict()
        _shapes = {
            key: value.shape
            for key, value in _state.items()
            if value.ndim and not key.startswith(("classifier.", "pre_logits.", "head.", "fc."))
        }
        print(_name, _model, *summary(listing(_shapes)))
