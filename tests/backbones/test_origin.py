"""What belongs to weights: pixels, size and licence, from files beside them, names of timm, folders and records."""

import dataclasses
import json

import numpy as np
import pytest
import transformer_reference as reference
from safetensors.numpy import save_file
from transformer_reference import FAMILIES

from lena_jax.backbones import BACKBONES, Preprocessing, load_pretrained, origin, origin_of, save_pretrained
from lena_jax.backbones.hub import NoSuchFile
from lena_jax.backbones.preprocessing import CLIP, IMAGENET

TIMM = {"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 518, 518]}}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A file of the weights of a backbone "tiny", which is a tiny CLIP."""
    family = FAMILIES["clip"]
    record = dataclasses.replace(
        BACKBONES["openclip_base"],
        name="tiny",
        build=family.build,
        torch_keys=lambda: {"timm": family.keys},
        translate=family.translate,
    )
    monkeypatch.setitem(BACKBONES, "tiny", record)
    save_file(reference.timm_state(family), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def beside(weights, name, content):
    (weights.parent / name).write_text(json.dumps(content))


def test_the_record_is_the_default(weights):
    found = origin_of("tiny", weights)
    assert (found.preprocessing, found.size, found.licence) == (CLIP, 224, origin.UNKNOWN)
    assert origin_of("dinov3_small", "dinov3.pth").preprocessing == IMAGENET


def test_timms_description_decides(weights):
    beside(weights, "config.json", {"pretrained_cfg": {**TIMM["pretrained_cfg"], "license": "cc-by-nc-4.0"}})
    found = origin_of("tiny", weights)
    assert found.preprocessing == Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert found.text("tiny", 224) == (
        f"weights of tiny: {weights}, licence cc-by-nc-4.0; made for 518 px, used at 224 px"
    )


def test_the_descriptions_of_transformers_and_openclip_are_read(weights):
    beside(weights, "config.json", {"hidden_size": 32})
    beside(weights, "preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.25]})
    assert origin_of("tiny", weights).preprocessing == Preprocessing((0.5,) * 3, (0.5, 0.5, 0.25))
    (weights.parent / "preprocessor_config.json").unlink()
    beside(
        weights,
        "open_clip_config.json",
        {"preprocess_cfg": {"mean": [0.0] * 3, "std": [1.0] * 3, "size": 256, "interpolation": "bilinear"}},
    )
    found = origin_of("tiny", weights)
    assert (found.preprocessing, found.size) == (Preprocessing((0.0,) * 3, (1.0,) * 3), 256)
    assert "resized with bilinear interpolation, used with bicubic" in found.text("tiny", 256)


@pytest.mark.parametrize(
    "content", [{"pretrained_cfg": {"mean": [1, 2], "std": [1, 1, 1]}}, {"image_mean": "a", "image_std": 3}]
)
def test_a_wrong_mean_is_refused(weights, content):
    beside(weights, "preprocessor_config.json", content)
    with pytest.raises(ValueError, match="has no valid mean and deviation"):
        origin_of("tiny", weights)


@pytest.mark.parametrize("content", ["[1, 2]", "{", '{"pretrained_cfg": 3}', '{"preprocess_cfg": {}}'])
def test_a_description_of_another_kind_is_ignored(weights, content):
    (weights.parent / "config.json").write_text(content)
    assert origin_of("tiny", weights).preprocessing == CLIP


def test_the_hub_is_asked_for_the_description_of_that_revision(monkeypatch, tmp_path):
    asked = []

    def find(source):
        asked.append(source)
        if not source.startswith("hf:timm/x.mae/config.json"):
            raise NoSuchFile(source)
        (tmp_path / "c").write_text(json.dumps(TIMM))
        return tmp_path / "c"

    monkeypatch.setattr(origin, "find_on_hub", find)
    found = origin_of("vit_base_patch16_224", "hf:timm/x.mae@v2")
    assert asked == ["hf:timm/x.mae/config.json@v2"]
    assert found.preprocessing.mean == (0.1, 0.2, 0.3) and found.size == 518
    assert found.licence == "cc-by-nc-4.0"  # By the tag.
    asked.clear()
    origin_of("vit_base_patch16_224", "hf:someone/y/weights/z.safetensors")
    assert asked == [f"hf:someone/y/{name}" for name in origin._FILES]


def test_without_a_network_the_hub_is_asked_once(monkeypatch):
    asked = []

    def find(source):
        asked.append(source)
        raise FileNotFoundError(source)

    monkeypatch.setattr(origin, "find_on_hub", find)
    found = origin_of("siglip2_base")
    assert len(asked) == 1 and found.licence == "apache-2.0" and found.preprocessing.mean == (0.5,) * 3


@pytest.mark.parametrize(
    "name, source, licence",
    [
        ("vit_base_patch16_clip_224", "vit_base_patch16_clip_224.metaclip_400m.safetensors", "cc-by-nc-4.0"),
        ("vit_base_patch16_clip_224", "vit_base_patch16_clip_224.dfn2b.pth", "apple-ascl"),
        ("vit_base_patch16_clip_224", "mine.safetensors", origin.UNKNOWN),
        ("dinov3_base", "vit_base_patch16_dinov3.lvd1689m.safetensors", "dinov3-license"),
        ("efficientnet_lite0", None, "apache-2.0"),
    ],
)
def test_the_licence_of_a_file_by_its_name(name, source, licence):
    assert origin_of(name, source).licence == licence


def test_a_folder_keeps_what_belongs_to_its_weights(weights, tmp_path):
    pixels = Preprocessing((0.1,) * 3, (0.2,) * 3)
    variables = load_pretrained("tiny", weights)
    folder = save_pretrained(tmp_path / "out", "tiny", variables, preprocessing=pixels, licence="apple-ascl")
    found = origin_of("tiny", folder)
    assert (found.preprocessing, found.licence) == (pixels, "apple-ascl")
    again = load_pretrained("tiny", folder)
    np.testing.assert_array_equal(again["params"]["embed"]["class"], variables["params"]["embed"]["class"])
