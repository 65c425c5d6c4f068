"""Backbones by name, and their normalisation."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import flax.traverse_util
import jax
import numpy as np
import pytest
import tiny_trunk

from lena_jax import backbones
from lena_jax.backbones import BACKBONES, Preprocessing, get_backbone, levels, load_pretrained, normalize
from lena_jax.backbones.registry import stage_of
from lena_jax.backbones.table import backbones_table

# Tracing a network takes a second: of those that differ in sizes alone, one stands for the others.
TRACED = [name for name, record in BACKBONES.items() if record.translate is None] + [
    "vit_base_patch16_clip_224",
    "vit_base_patch32_siglip_256",
    "vit_small_patch14_reg4_dinov2",
    "vit_small_plus_patch16_dinov3_qkvb",
    "convnext_atto",
    "convnextv2_atto",
]


@pytest.mark.parametrize("name", TRACED)
def test_registry_tells_the_truth_about_the_module(name):
    backbone = get_backbone(name)
    assert backbone.name == name
    x = jax.ShapeDtypeStruct((2, 128, 96, 3), np.float32)
    feature_map, variables = jax.eval_shape(backbone.build().init_with_output, jax.random.key(0), x)
    batch, *cells, channels = feature_map.shape
    assert (batch, channels) == (2, backbone.channels)
    # AlexNet loses cells at the border.
    assert all(0 <= size / backbone.stride - number <= 1 for size, number in zip((128, 96), cells, strict=True))
    names = set(flax.traverse_util.flatten_dict(variables))
    for naming, keys in backbone.torch_keys().items():
        assert names == set(keys), naming
        assert len(set(keys.values())) == len(keys), naming
    stages = {stage_of(name) for name in variables["params"]}
    assert stages == set(backbone.stages)
    # The finer grids of "multilevel" have the same layers.
    for endpoint in set(backbone.endpoints) - {backbone.build().endpoint, *levels.ENDPOINTS[1:]}:
        jax.eval_shape(backbone.build(endpoint=endpoint).init, jax.random.key(0), x)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(variables))
    assert backbone.parameters == sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    if backbone.classifier_keys:
        assert all(key.startswith(backbone.classifier_prefixes) for pair in backbone.classifier_keys for key in pair)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_record_says_where_its_weights_are_and_what_they_cost(name):
    record = BACKBONES[name]
    assert record.name == name and record.parameters > 0 and record.endpoints[0] and record.stages
    assert (record.source is None) == (record.licence == "") == (record.download == 0)
    if record.source is not None:
        # Half precision at the least; at most as many numbers again for the classifier, or VGG's ten times.
        assert 2 * record.parameters <= record.download < 50 * record.parameters
        assert record.licence in record.weights.lower()


def test_unknown_name_gets_the_nearest_and_all():
    with pytest.raises(ValueError, match="did you mean 'efficientnet_lite0'.*efficientnet_lite2"):
        get_backbone("efficientnet-lite0")
    with pytest.raises(ValueError, match="got backbone 'zzz'; expected one of"):
        load_pretrained("zzz")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_normalize(dtype):
    preprocessing = get_backbone("efficientnet_lite0").preprocessing
    images = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype(dtype)
    got = jax.jit(lambda images: normalize(images, preprocessing))(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, (images.astype(np.float64) - 127) / 128, atol=1e-6)


def test_caffe_backbone_takes_differences_to_the_mean_in_blue_green_red():
    images = np.zeros((1, 1, 1, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    got = normalize(images, get_backbone("vgg16_caffe").preprocessing)
    np.testing.assert_allclose(got[0, 0, 0], [50 - 103.939, 100 - 116.779, 200 - 123.68], rtol=1e-5)


@pytest.mark.parametrize(
    "images", [np.zeros((1, 4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.int32)]
)
def test_normalize_refuses_what_is_no_rgb_batch(images):
    with pytest.raises(ValueError, match="got images of"):
        normalize(images, get_backbone("efficientnet_lite0").preprocessing)


def test_caffe_wants_its_channels_the_other_way():
    images = np.zeros((1, 1, 1, 3), np.uint8) + np.array([255, 0, 51], np.uint8)
    got = normalize(images, Preprocessing((0.5, 0.25, 0.1), (1 / 255,) * 3, "BGR"))
    np.testing.assert_allclose(got[0, 0, 0], [51 - 25.5, -63.75, 127.5], rtol=1e-6)


def test_preprocessing_survives_json_and_refuses_nonsense():
    one = Preprocessing((0.5, 0.25, 0.1), (0.1, 0.2, 0.3), "BGR")
    assert Preprocessing.from_json(json.loads(json.dumps(one.as_json()))) == one
    with pytest.raises(ValueError, match="got std .*expected three finite numbers above 0"):
        Preprocessing((0.5,) * 3, (0.1, 0.0, 0.3))
    with pytest.raises(ValueError, match="got mean .*expected three finite numbers$"):
        Preprocessing((0.5, float("nan"), 0.2), (0.1,) * 3)
    with pytest.raises(ValueError, match="got channel_order 'GBR'"):
        Preprocessing((0.5,) * 3, (0.1,) * 3, "GBR")
    with pytest.raises(ValueError, match="got preprocessing with the keys \\['mean'\\], expected"):
        Preprocessing.from_json({"mean": [0, 0, 0]})


def test_the_table_in_the_docs_is_that_of_the_records(monkeypatch):
    for name in tiny_trunk.tiny_trunks():  # A config of other tests registers them for good.
        monkeypatch.delitem(BACKBONES, name, raising=False)
    docs = Path(__file__).parents[2] / "docs/backbones.md"
    assert backbones_table() in docs.read_text(encoding="utf-8"), "run: python -m lena_jax.backbones.table"


def test_the_package_imports_its_names_when_they_are_asked_for():
    assert set(backbones.__all__) == set(backbones._HOMES)
    for name, home in backbones._HOMES.items():
        assert getattr(backbones, name) is getattr(importlib.import_module(f"lena_jax.backbones.{home}"), name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = backbones.nothing
    script = "import sys, lena_jax.backbones; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
