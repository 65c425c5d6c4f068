import dataclasses
import json
import shutil

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny_trunk

from lena_jax import backbones
from lena_jax.data.splits import open_pictures
from lena_jax.data.transforms import Augmentation
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.models import ranker
from lena_jax.models.siamese import objectness_grid
from lena_jax.runs.load import load_ranker
from lena_jax.train.inputs import check_trained, make_inputs
from lena_jax.train.loop import train

pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.fixture
def config(planted_dir):
    config = tiny_trunk.get_config()
    config.data.dir, config.backbone.name, config.pooling = str(planted_dir), "tiny_norm", "average"
    config.steps, config.eval_every = 3, 3
    return config


def trained(config, workdir):
    """(initial, final) variables of a run."""
    train(config, str(workdir))
    return jax.tree.map(np.asarray, ranker.build(config).init(config.seed, pretrained=False)), load_ranker(
        str(workdir)
    )[1]


def moved(before, after):
    """{"params/backbone/first_conv/...": whether any number changed}, of two trees."""
    changes = jax.tree.map(lambda one, other: not np.array_equal(one, other), before, after)
    return {"/".join(key.key for key in path): change for path, change in jax.tree_util.tree_leaves_with_path(changes)}


def test_stages_before_train_from_stay_to_the_last_bit_and_the_others_move(config, tmp_path):
    config.backbone.train_from, config.average_decay = "second", 0.5
    changes = moved(*trained(config, tmp_path))
    for name, change in changes.items():
        assert change == (name.startswith(("params/backbone/second", "params/head"))), name
    assert len(changes) == 14


def test_statistics_move_where_they_are_asked_to_and_only_there(config, mapped_dir, tmp_path):
    changes = moved(*trained(config, tmp_path / "inference"))
    statistics = {name for name in changes if name.startswith("batch_stats")}
    assert len(statistics) == 4 and not any(changes[name] for name in statistics)
    assert all(change for name, change in changes.items() if name not in statistics)
    config.backbone.batch_norm, config.fusion, config.data.dir = "train", "gate", str(mapped_dir)
    changes = moved(*trained(config, tmp_path / "train"))
    assert all(changes[name] for name in statistics)


def test_statistics_of_training_are_those_of_the_batch(config):
    """One step: the running mean goes a tenth of the way to the mean over pictures and space."""
    model = ranker.build(config)
    variables = model.init(0, pretrained=False)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    scored = jax.pmap(lambda part: model.score_for_training(variables, part), axis_name="devices")
    _, both = scored(pictures.reshape(2, 3, 64, 64, 3))
    kernel = variables["params"]["backbone"]["first_conv"]["kernel"]
    seen = jax.lax.conv_general_dilated(
        (pictures / 255 - 0.5).astype(np.float32) / 0.25,
        kernel,
        (4, 4),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    mean = both["batch_stats"]["backbone"]["first_norm"]["mean"]
    np.testing.assert_allclose(mean[0], 0.1 * seen.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_array_equal(mean[0], mean[1])  # The statistics of both devices' pictures.


def test_a_backbone_without_batch_norm_cannot_train_by_batch_statistics(config, tmp_path):
    config.backbone.name, config.backbone.batch_norm = "tiny", "train"
    with pytest.raises(ValueError, match="batch_norm"):
        train(config, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"train_from": "third"}, r"'third', expected '' or one of \['first', 'second'\]"),
        ({"batch_norm": "train", "accumulate": 2}, "accumulate=2: it would see"),
        ({"weights": "x.pth"}, "backbone.weights 'x.pth' and backbone.pretrained=False"),
        ({"frozen": True, "train_from": "second"}, "set backbone.frozen=False"),
    ],
)
def test_contradictions_are_refused(config, change, message):
    config.accumulate = change.pop("accumulate", 1)
    config.backbone.update(change)
    model = ranker.build(config)
    with pytest.raises(ValueError, match=message):
        check_trained(config, model.backbone, model.abstract_variables())


def test_a_stage_behind_the_endpoint_cannot_be_trained_from(config):
    config.backbone.name, config.backbone.endpoint, config.backbone.train_from = "alexnet", "", "conv5"
    model = ranker.build(config)
    check_trained(config, model.backbone, model.abstract_variables())
    config.backbone.name, config.backbone.endpoint = "vgg16", "conv4_3"
    model = ranker.build(config)
    with pytest.raises(ValueError, match="'conv5', expected '' or one of .*'conv4'"):
        check_trained(config, model.backbone, model.abstract_variables())


def test_the_shares_of_processes_are_the_batch_that_one_has(config, planted_dir):
    """What is random about a picture does not depend on who fetches it."""
    model = ranker.build(config)
    pictures = open_pictures(config)
    fetch = make_inputs(config, model, model.init(0, pretrained=False), pictures, Augmentation()).fetch
    index = np.array([3, 9, 9, 0])
    whole = fetch(index, np.random.default_rng(1), slice(0, 4))
    parts = [fetch(index, np.random.default_rng(1), slice(at, at + 2)) for at in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[1], whole[2])


class Colours(nn.Module):
    """A backbone whose feature maps are the picture's channels, averaged over cells of 8 pixels."""

    endpoint: str = "second"
    output_stride: int = 8
    dtype: object = None
    axis_name: str | None = None

    def __call__(self, images, train=False):
        return nn.avg_pool(images, (8, 8), (8, 8))


@pytest.mark.parametrize("frozen", [True, False])
def test_objectness_shows_what_the_picture_shows(config, mapped_dir, tmp_path, monkeypatch, frozen):
    """The maps are red channels: in each view, and the whole pictures, the first feature map is the map's."""
    monkeypatch.setitem(
        backbones.BACKBONES,
        "colours",
        dataclasses.replace(backbones.BACKBONES["tiny"], name="colours", build=lambda **options: Colours(**options)),
    )
    (tmp_path / "planted").symlink_to(mapped_dir / "planted")
    config.backbone.name, config.backbone.frozen, config.data.dir = "colours", frozen, str(tmp_path)
    config.augmentation.views, config.augmentation.crop = 4, 0.5
    index, share = np.array([3, 9, 9, 0, 9, 9, 1, 9]), slice(1, 8)
    fetched, files = {}, set()
    for fusion in ("none", "concat", "gate"):
        config.fusion = fusion
        model, pictures = ranker.build(config), open_pictures(config)
        inputs = make_inputs(config, model, {"params": {}}, pictures, Augmentation(0.5))
        fetched[fusion] = inputs.fetch(index, np.random.default_rng(1), share)
        whole = list(inputs.whole("validation", np.arange(2)))
        files.add(frozenset(path.name for path in tmp_path.glob("*/*.npy")))
    assert len(files) == 1 and len(*files) == (2 if frozen else 1)  # One cache, whatever the fusion.
    name = "feature_map" if frozen else "pictures"
    np.testing.assert_array_equal(fetched["none"], fetched["gate"][name])
    jax.tree.map(np.testing.assert_array_equal, fetched["concat"], fetched["gate"])
    of_whole = jax.tree.map(lambda *rows: np.stack(rows), *whole)
    for both in (fetched["gate"], of_whole):
        assert both["objectness"].shape[1:] == (64, 64) and both["objectness"].dtype == np.uint8
        red = np.asarray(both[name] if frozen else model.feature_map({}, both[name]), np.float32)[..., 0] * 0.25 + 0.5
        cells = np.asarray(objectness_grid(both["objectness"], 8, 8))
        assert np.abs(red - cells).max() < 0.03 < 0.1 < np.abs(red[:, :, ::-1] - cells).max((1, 2)).min()
    assert len(np.unique(fetched["gate"]["objectness"], axis=0)) > 3


@pytest.mark.parametrize("fusion, frozen", [("concat", True), ("gate", False)])
def test_training_with_objectness_goes_on_exactly_and_with_the_same_maps_only(
    config, mapped_dir, tmp_path, fusion, frozen
):
    data_dir, whole, stopped = (tmp_path / name for name in ("data", "whole", "stopped"))
    shutil.copytree(mapped_dir / "planted", data_dir / "planted")
    config.data.dir, config.fusion, config.pooling = str(data_dir), fusion, "lena"
    config.backbone.name, config.backbone.frozen, config.augmentation.views = "tiny", frozen, 3
    config.steps, config.eval_every, config.accumulate = 4, 2, 2
    losses = train(config, str(whole))
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints/4")
    np.testing.assert_array_equal(train(config, str(stopped)), losses[2:])
    jax.tree.map(np.testing.assert_array_equal, load_ranker(str(stopped))[1], load_ranker(str(whole))[1])
    maps = data_dir / "planted/1.0.0/objectness"
    description = json.loads((maps / "objectness.json").read_text())
    (maps / "objectness.json").write_text(json.dumps(description | {"network": "another"}))
    with pytest.raises(ValueError, match="has been rebuilt since"):
        train(config, str(stopped))
    with pytest.raises(ValueError, match="objectness maps"):
        evaluate(str(whole))
    shutil.rmtree(maps)
    with pytest.raises(ValueError, match="no objectness maps"):
        evaluate(str(whole))
