"""What holds for VGG16, AlexNet and ResNet alike: PyTorch's numbers and names, types, gradients and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seeded_reference as reference
import torch_backbones
from backbone_reference import check_gradient_reaches_every_parameter
from seeded_reference import NETWORKS, relative_error

from lena_jax.backbones import resnet

NAMES = list(NETWORKS)


@pytest.mark.parametrize("size", reference.STORED_SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_features_equal_the_stored_reference(name, size):
    got = reference.features(name, size)
    for variant, expected in reference.stored_features(name, size).items():
        assert relative_error(got[variant][..., :: reference.CHANNEL_STEP], expected) < 1e-4, variant


@pytest.mark.parametrize("size", [*reference.STORED_SIZES, (224, 224)])
@pytest.mark.parametrize("name", NAMES)
def test_features_equal_pytorch(name, size):
    pytest.importorskip("torch")
    got = reference.features(name, size)
    for variant, expected in reference.torch_features(name, size).items():
        assert relative_error(got[variant], expected) < 1e-4, variant


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_pytorch(name):
    pytest.importorskip("torch")
    network = NETWORKS[name]
    names = torch_backbones.build(name, *network.variants[0]).state_dict()
    assert set(network.keys.values()) == {key for key in names if not key.endswith("num_batches_tracked")}
    assert set(network.keys) == set(reference.shapes(network.build()))


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_close(name):
    size = (64, 64)
    module = NETWORKS[name].build(dtype=jnp.bfloat16)
    got = jax.jit(module.apply)(reference.variables(name), reference.pictures(*size))
    assert got.dtype == jnp.bfloat16
    got, expected = np.asarray(got, np.float32), reference.features(name, size)[NETWORKS[name].variants[0]]
    assert np.isfinite(got).all()
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.99


# VGG16 has no parameter that VGG16 with BatchNorm has not.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "vgg16"])
def test_gradient_reaches_every_parameter(name):
    options = {}
    if name.startswith("resnet"):
        # One block a stage: compiles sooner.
        options = {"architecture": resnet.Architecture((1, 1, 1, 1), bottleneck=name == "resnet50")}
    module = NETWORKS[name].build(**options)
    check_gradient_reaches_every_parameter(module, reference.random_variables(module))


def apply_abstractly(name, shape, **options):
    module = NETWORKS[name].build(**options)
    return jax.eval_shape(module.init_with_output, jax.random.key(0), jax.ShapeDtypeStruct(shape, np.float32))


@pytest.mark.parametrize("shape", [(1, 63, 64, 3), (1, 64, 64, 4), (64, 64, 3)])
@pytest.mark.parametrize("name", NAMES)
def test_refuses_pictures_of_the_wrong_shape(name, shape):
    with pytest.raises(ValueError, match="at least 64"):
        apply_abstractly(name, shape)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("vgg16", {"endpoint": "pool5"}, "got endpoint 'pool5', expected 'conv5_3' or 'conv4_3'"),
        ("alexnet", {"endpoint": "conv4"}, "got endpoint 'conv4', expected 'conv5'"),
        ("resnet18", {"endpoint": "fc"}, "got endpoint 'fc', expected 'layer4' or 'layer3'"),
        ("vgg16", {"output_stride": 8}, "got output_stride 8, expected 16"),
        ("alexnet", {"output_stride": 32}, "got output_stride 32, expected 16"),
        ("resnet50", {"output_stride": 8}, "got output_stride 8, expected 16 or 32"),
    ],
)
def test_refuses_an_unknown_endpoint_or_output_stride(name, options, message):
    with pytest.raises(ValueError, match=message):
        apply_abstractly(name, (1, 64, 64, 3), **options)
