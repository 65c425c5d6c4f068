"""ResNet's feature maps and names, its dilated stage, and BatchNorm in training as PyTorch has it."""

import jax
import numpy as np
import pytest
import seeded_reference as reference
import torch_backbones

from lena_jax.backbones import resnet

ARCHITECTURES = {"resnet18": resnet.RESNET18, "resnet50": resnet.RESNET50}


@pytest.mark.parametrize(
    "endpoint, stride, cells", [("layer4", 32, (7, 4)), ("layer4", 16, (14, 7)), ("layer3", 32, (14, 7))]
)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_strides_round_up(name, endpoint, stride, cells):
    x = jax.ShapeDtypeStruct((2, 224, 99, 3), np.float32)
    module = resnet.ResNet(ARCHITECTURES[name], endpoint=endpoint, output_stride=stride)
    y, variables = jax.eval_shape(module.init_with_output, jax.random.key(0), x)
    assert y.shape == (2, *cells, ARCHITECTURES[name].channels // (1 if endpoint == "layer4" else 2))
    assert {name.split("_")[0] for name in variables["params"]} == set(
        resnet.STAGES[: resnet.STAGES.index(endpoint) + 1]
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_output_stride_16_holds_the_features_of_stride_32(name):
    maps = reference.features(name, (75, 107))
    coarse, fine = maps["layer4", 32], maps["layer4", 16]
    assert fine.shape[1:3] == (5, 7)
    assert reference.relative_error(fine[:, ::2, ::2], coarse) < 1e-5
    assert np.abs(fine[:, 0] - fine[:, 1]).max() > 0.1 * coarse.max()


def test_names_of_the_first_and_the_last_layer():
    keys = resnet.torch_keys(resnet.RESNET50)["torchvision and timm"]
    assert keys["params", "stem", "kernel"] == "conv1.weight"
    assert keys["batch_stats", "stem", "var"] == "bn1.running_var"
    assert keys["params", "layer1_block0", "downsample", "scale"] == "layer1.0.downsample.1.weight"
    assert keys["params", "layer4_block2", "conv3", "bias"] == "layer4.2.bn3.bias"
    assert not any(key.startswith(resnet.CLASSIFIER_PREFIXES) for key in keys.values())
    assert ("params", "layer1_block0", "downsample", "kernel") not in resnet.torch_keys(resnet.RESNET18)[
        "torchvision and timm"
    ]


@pytest.fixture(scope="module")
def trained():
    """Features and BatchNorm's statistics of ResNet-18 in training."""
    module, x = resnet.ResNet(resnet.RESNET18), reference.pictures(64, 64, batch=4)
    y, updated = jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))(
        reference.variables("resnet18"), x
    )
    return np.asarray(y), updated["batch_stats"]


def test_train_mode_updates_the_statistics(trained):
    variables = reference.variables("resnet18")
    y = jax.lax.conv_general_dilated(
        reference.pictures(64, 64, batch=4),
        variables["params"]["stem"]["kernel"],
        (2, 2),
        ((3, 3), (3, 3)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    for name, moment in (("mean", y.mean((0, 1, 2))), ("var", y.var((0, 1, 2)))):
        expected = 0.9 * variables["batch_stats"]["stem"][name] + 0.1 * moment
        np.testing.assert_allclose(trained[1]["stem"][name], expected, rtol=1e-4, atol=1e-5)


def test_train_mode_equals_pytorch(trained):
    pytest.importorskip("torch")
    expected, state = torch_backbones.features(
        "resnet18", reference.torch_state("resnet18"), reference.pictures(64, 64, batch=4), "layer4", 32, train=True
    )
    y, stats = trained
    assert reference.relative_error(y, expected) < 1e-3
    for path, key in reference.NETWORKS["resnet18"].keys.items():
        # PyTorch stores the variance with n - 1 in place of n.
        if path[-1] == "mean":
            leaf = stats
            for part in path[1:]:
                leaf = leaf[part]
            assert reference.relative_error(np.asarray(leaf), state[key]) < 1e-3, path
