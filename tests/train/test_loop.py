import json
import shutil
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax import backbones
from lena_jax.backbones import Backbone, Preprocessing
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.runs import checkpoints
from lena_jax.runs.load import load_ranker
from lena_jax.train.loop import train


class TinyBackbone(nn.Module):
    """Two convolutions, stride 8: a backbone that compiles in a second."""

    endpoint: str = "head"
    output_stride: int = 8
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.Conv(8, (3, 3), (4, 4), dtype=self.dtype)(x))
        return nn.relu(nn.Conv(12, (3, 3), (2, 2), dtype=self.dtype)(x))


@pytest.fixture
def tiny(small_config, monkeypatch):
    backbone = Backbone("tiny", TinyBackbone, 8, 12, Preprocessing((0.5,) * 3, (0.25,) * 3), ("Conv",), ("head",))
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbone)
    config = small_config
    config.backbone.name, config.backbone.pretrained, config.backbone.frozen = "tiny", False, False
    config.backbone.endpoint = ""
    config.steps = 8
    return config


def test_a_run_leaves_what_it_says(trained):
    workdir, losses = trained
    assert losses.shape == (12,) and np.isfinite(losses).all()
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [5, 6, 10, 12]
    assert rows[0]["learning_rate"] > 0 and rows[-2]["learning_rate"] > 0
    assert rows[0]["loss"] == pytest.approx(losses[:5].mean(), rel=1e-6)
    assert [row["step"] for row in rows if "validation_pair_accuracy" in row] == [6, 12]
    assert json.loads((workdir / "config.json").read_text())["steps"] == 12
    assert json.loads((workdir / "training_scores.json").read_text())["pictures"] == 48
    assert not list(workdir.rglob("*unfinished*"))


def test_training_learns(trained):
    _, losses = trained
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    assert losses[-3:].mean() < losses[0] - 0.1


def test_one_device_and_two_give_the_same_losses(trained, small_config, tmp_path):
    _, two = trained
    one = train(small_config, str(tmp_path), devices=jax.devices()[:1])
    np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.parametrize("mode, spread", [("random", False), ("in_batch", True)])
def test_the_whole_network_trains_alike_on_one_device_and_two(tiny, quickly_compiled, tmp_path, mode, spread):
    tiny.pairs.mode, tiny.head.equal_spread = mode, spread
    one = train(tiny, str(tmp_path / "one"), devices=jax.devices()[:1])
    two = train(tiny, str(tmp_path / "two"), devices=jax.devices())
    np.testing.assert_allclose(two, one, atol=1e-5)
    assert len(set(one.tolist())) == 8
    # The backbone was trained: it differs from the initial one of the same seed.
    model, variables, config, _, _ = load_ranker(str(tmp_path / "two"))
    started = model.init(config.seed, pretrained=False)
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), variables["params"], started["params"])
    assert min(jax.tree.leaves(moved["backbone"])) > 1e-4


def test_a_frozen_backbone_stays_as_it_was(trained):
    _, variables, _, _, _ = load_ranker(str(trained[0]))
    backbone = variables["params"]["backbone"]
    loaded = backbones.load_pretrained("efficientnet_lite0")["params"]
    np.testing.assert_array_equal(backbone["stem"]["kernel"], loaded["stem"]["kernel"])
    assert "head" not in backbone and "head" in loaded  # After the endpoint, so neither kept nor saved.


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(trained, small_config, tmp_path, monkeypatch):
    workdir, expected = trained
    save = checkpoints.save

    def save_and_stop(*args, **kwargs):
        save(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(small_config, str(tmp_path))
    np.testing.assert_array_equal(train(small_config, str(tmp_path)), expected[6:])
    assert (tmp_path / "metrics.jsonl").read_text() == (workdir / "metrics.jsonl").read_text()
    chex.assert_trees_all_equal(load_ranker(str(tmp_path))[1], load_ranker(str(workdir))[1])
    (tmp_path / "training_scores.json").unlink()
    assert train(small_config, str(tmp_path)).size == 0  # Finished: nothing is done again,
    assert (tmp_path / "training_scores.json").exists()  # but what a kill at the very end left out.


def test_training_that_diverges_stops_and_keeps_the_checkpoint_before(tiny, tmp_path):
    tiny.eval_every, tiny.steps, tiny.optimizer.warmup = 2, 8, 0.0
    tiny.optimizer.learning_rate, tiny.optimizer.clip_norm = 1e30, 1e30
    with pytest.raises(FloatingPointError, match="newest checkpoint is of step"):
        train(tiny, str(tmp_path))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(list(row.values())).all() for row in rows)


def test_a_dataset_that_has_been_rebuilt_is_refused(trained, small_config, tmp_path):
    from data_prep import command

    other = ["build", "planted", f"--data_dir={tmp_path}", "--train=48", "--validation=16", "--test=24", "--seed=1"]
    assert command.main(other) == 0
    small_config.data.dir = str(tmp_path)
    with pytest.raises(ValueError, match="has been rebuilt since"):
        train(small_config, str(trained[0]))
    with pytest.raises(ValueError, match="has been rebuilt since"):
        evaluate(str(trained[0]), data_dir=str(tmp_path))


def test_a_workdir_of_another_config_is_refused_and_kept(trained, small_config):
    workdir, _ = trained
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in workdir.rglob("*") if path.is_file() and path.name != ".lock"
    )
    small_config.optimizer.learning_rate = 0.5
    small_config.pooling = "max"
    with pytest.raises(ValueError, match=r"\['optimizer.learning_rate', 'pooling'\]"):
        train(small_config, str(workdir))
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in workdir.rglob("*") if path.is_file() and path.name != ".lock"
    )


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("batch_size", 15, "batch_size=15, 2 devices"),
        ("steps", 0, "steps must be at least 1, got 0"),
        ("image_size", 32, "from 64 to 2048 pixels, got 32"),
        ("pooling", "averag", "average"),
        ("backbone.name", "efficientnet", "efficientnet_lite0"),
        ("data.name", "plantd", "no dataset 'plantd'"),
        ("data.folds", 1, "got 1"),
        ("pairs.min_gap", 99.0, "no two of the 48 training pictures"),
        ("optimizer.learning_rate", 0.0, "must be positive"),
        ("seed", -1, "seed must be at least 0, got -1"),
        ("augmentation.views", 0, "augmentation.views must be at least 1, got 0"),
        ("pairs.mode", "all", "got 'all'"),
        ("augmentation.crop", 2.0, "got 2.0"),
        ("accumulate", 3, "2 devices and accumulate=3"),
        ("accumulate", 0, "accumulate=0"),
        ("average_decay", 1.0, "average_decay must be in .0, 1., got 1.0"),
        ("stop_after", -1, "at least 0, got -1"),
        (
            "backbone.endpoint",
            "conv5_3",
            "got backbone.endpoint 'conv5_3', expected one of .'head', 'expand6', 'multilevel'.",
        ),
        ("backbone.train_from", "stage6", "frozen"),
        ("backbone.batch_norm", "train", "set backbone.frozen=False"),
        ("backbone.batch_norm", "off", "got backbone.batch_norm 'off'"),
        ("dtype", "float16", "got dtype 'float16'"),
        ("backbone.output_stride", 8, "got output_stride 8"),
        ("optimizer.name", "adam", "got optimizer.name 'adam'"),
        ("data.validation", 0.9, "got 0.9"),
        ("data.fold", 3, "data.fold=3 without"),
        ("fusion", "gat", "got fusion 'gat', expected one of"),
        ("fusion", "gate", "data_prep objectness planted --data"),
        ("pairs.weighting", "x", "got 'x'"),
        ("data.workers", -1, "got -1"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_before_anything_is_written(small_config, tmp_path, key, value, message):
    small_config.update_from_flattened_dict({key: value})
    with pytest.raises(ValueError, match=message):
        train(small_config, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_bfloat16_computes_the_backbone_and_everything_else_stays_float32(tiny, quickly_compiled, tmp_path):
    config, losses = tiny, {}
    config.steps, config.batch_size = 2, 8
    for dtype in ("float32", "bfloat16"):
        config.dtype = dtype
        losses[dtype] = train(config, str(tmp_path / dtype))
    model, variables, _, _, _ = load_ranker(str(tmp_path / "bfloat16"))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype(np.float32)}
    pictures = np.zeros((2, 64, 64, 3), np.uint8)
    assert jax.eval_shape(model.feature_map, variables, pictures).dtype == jnp.bfloat16
    assert jax.eval_shape(model.score_pictures, variables, pictures).dtype == jnp.float32
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], atol=0.02)
    assert not np.array_equal(losses["bfloat16"], losses["float32"])


def test_a_resumed_run_keeps_its_backbone_wherever_the_weights_are_by_then(small_config, tmp_path, monkeypatch):
    config = small_config
    config.backbone.name, config.backbone.endpoint, config.steps, config.eval_every = "tiny", "", 8, 4
    backbone = Backbone("tiny", TinyBackbone, 8, 12, Preprocessing((0.5,) * 3, (0.25,) * 3), ("Conv",), ("head",))
    monkeypatch.setitem(backbones.BACKBONES, "tiny", backbone)

    def weights(seed):
        drawn = TinyBackbone().init(jax.random.key(seed), jnp.zeros((1, 64, 64, 3)))
        return lambda name, source: jax.tree.map(np.asarray, drawn)

    monkeypatch.setattr(backbones, "load_pretrained", weights(1))
    expected = train(config, str(tmp_path / "whole"))
    save = checkpoints.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", lambda *args: (save(*args), (_ for _ in ()).throw(KeyboardInterrupt)))
        with pytest.raises(KeyboardInterrupt):
            train(config, str(tmp_path / "stopped"))
    for later in (weights(2), None):  # Other weights under the same name; none at all.
        monkeypatch.setattr(backbones, "load_pretrained", later)
        folder = tmp_path / f"resumed{later is None}"
        shutil.copytree(tmp_path / "stopped", folder)
        np.testing.assert_array_equal(train(config, str(folder)), expected[4:])
        chex.assert_trees_all_equal(load_ranker(str(folder))[1], load_ranker(str(tmp_path / "whole"))[1])
