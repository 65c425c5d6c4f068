"""VGG16's feature maps and names, and BatchNorm behind a convolution with a bias."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seeded_reference as reference

from lena_jax.backbones import vgg
from lena_jax.backbones.layers import ConvBN


@pytest.mark.parametrize(
    "endpoint, size, expected",
    [("conv5_3", (224, 224), (14, 14)), ("conv4_3", (224, 224), (28, 28)), ("conv5_3", (79, 111), (4, 6))],
)
def test_poolings_round_down_and_the_last_is_left_out(endpoint, size, expected):
    x = jax.ShapeDtypeStruct((2, *size, 3), np.float32)
    y, variables = jax.eval_shape(vgg.VGG16(endpoint=endpoint).init_with_output, jax.random.key(0), x)
    assert y.shape == (2, *expected, 512)
    assert list(variables) == ["params"] and list(variables["params"])[-1] == endpoint


@pytest.mark.parametrize("batch_norm, last", [(False, 28), (True, 40)])
def test_names_of_the_last_convolution(batch_norm, last):
    keys = vgg.torch_keys(batch_norm)["torchvision and timm"]
    assert keys["params", "conv5_3", "kernel"] == f"features.{last}.weight"
    assert keys["params", "conv5_3", "conv_bias" if batch_norm else "bias"] == f"features.{last}.bias"
    assert len(keys) == 13 * (6 if batch_norm else 2)


def test_the_classifier_has_other_names_than_the_backbone():
    classifier = ["classifier.0.weight", "classifier.6.bias", "pre_logits.fc1.weight", "head.fc.bias"]
    assert all(key.startswith(vgg.CLASSIFIER_PREFIXES) for key in classifier)
    backbone = vgg.torch_keys(True)["torchvision and timm"].values()
    assert not any(key.startswith(vgg.CLASSIFIER_PREFIXES) for key in backbone)


def test_batch_norm_behind_a_bias():
    layer = ConvBN(8, 3, padding=1, activation=jax.nn.relu, conv_bias=True, epsilon=1e-5, momentum=0.9)
    x = reference.pictures(16, 16, batch=4)
    variables = reference.random_variables(layer)
    params, stats = variables["params"], variables["batch_stats"]
    y = jax.lax.conv_general_dilated(
        x, params["kernel"], (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = np.asarray(y, np.float64) + params["conv_bias"]

    def expected(mean, var):
        return np.maximum((y - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"], 0)

    got = jax.jit(layer.apply)(variables, x)
    np.testing.assert_allclose(got, expected(stats["mean"], stats["var"]), atol=1e-4)
    got, updated = jax.jit(lambda v, x: layer.apply(v, x, train=True, mutable=["batch_stats"]))(variables, x)
    mean, var = y.mean((0, 1, 2)), y.var((0, 1, 2))
    np.testing.assert_allclose(got, expected(mean, var), atol=1e-4)
    for name, moment in (("mean", mean), ("var", var)):
        np.testing.assert_allclose(updated["batch_stats"][name], 0.9 * stats[name] + 0.1 * moment, rtol=1e-4, atol=1e-5)


def test_train_changes_nothing_without_batch_norm():
    x = jnp.asarray(reference.pictures(64, 64))
    module, variables = vgg.VGG16(endpoint="conv4_3"), reference.variables("vgg16")
    got = jax.jit(lambda x: module.apply(variables, x, train=True, mutable=["batch_stats"]))(x)
    np.testing.assert_array_equal(got[0], reference.features("vgg16", (64, 64))["conv4_3", 16])
    assert not got[1]
