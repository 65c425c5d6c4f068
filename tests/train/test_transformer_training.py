"""Runs with a tiny vision transformer: what belongs to its weights stays with the run; freezing and rates by block."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import tiny_trunk
import transformer_weights

from lena_jax.backbones import BACKBONES, Preprocessing
from lena_jax.models import ranker
from lena_jax.runs import saved_model
from lena_jax.runs.load import load_ranker, open_model
from lena_jax.train.inputs import check_trained
from lena_jax.train.loop import train
from lena_jax.train.optimizer import make_optimizer, rates
from lena_jax.train.progress import restore_model

PIXELS = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights for the backbone "tiny_vit", with timm's description beside it."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "tiny_vit", transformer_weights.record())
        jax.config.update("jax_disable_most_optimizations", True)
        description = {"mean": PIXELS.mean, "std": PIXELS.std, "license": "cc-by-nc-4.0", "input_size": [3, 64, 64]}
        (folder / "config.json").write_text(json.dumps({"pretrained_cfg": description}))
        yield transformer_weights.write(folder / "model.safetensors")
        jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def config(weights, planted_dir):
    config = tiny_trunk.get_config()
    config.data.dir = str(planted_dir)
    config.backbone.name, config.backbone.pretrained, config.backbone.weights = "tiny_vit", True, str(weights)
    config.steps, config.eval_every = 4, 4
    return config


def test_pixels_and_licence_of_the_weights_stay_with_the_run(config, weights, tmp_path, capsys):
    config.backbone.frozen = True
    config.backbone.endpoint = "multilevel_class"
    train(config, str(tmp_path / "run"))
    line = f"weights of tiny_vit: {weights}, licence cc-by-nc-4.0\n"
    assert capsys.readouterr().out.count(line) == 1
    loaded = load_ranker(tmp_path / "run")
    assert (loaded.model.preprocessing, loaded.model.licence) == (PIXELS, "cc-by-nc-4.0")
    # A resumed run does not ask for the weights again.
    resumed = restore_model(ranker.build(config), str(tmp_path / "run"), 4)
    assert (resumed.preprocessing, resumed.licence) == (PIXELS, "cc-by-nc-4.0")
    description = open_model(tmp_path / "run").description | {"format": saved_model.FORMAT}
    saved_model.write(tmp_path / "saved", description, loaded.variables)
    assert "whose licence is `cc-by-nc-4.0`" in (tmp_path / "saved/README.md").read_text()
    model = saved_model.load_model(tmp_path / "saved").model
    assert (model.preprocessing, model.licence) == (PIXELS, "cc-by-nc-4.0")

    # Contribution maps sum to the score, the class token's part included.
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    scores, maps, _ = jax.jit(model.explain)(loaded.variables, pictures)
    bias = loaded.variables["params"]["head"]["bias"][0]
    assert maps.shape == (2, 4, 4)
    np.testing.assert_allclose(np.sum(maps, (1, 2)), scores - bias, atol=1e-5)


def test_blocks_before_train_from_stay_and_later_ones_move(config, weights, tmp_path):
    config.backbone.train_from, config.backbone.remat = "block2", True
    config.optimizer.learning_rate, config.optimizer.warmup = 1e-2, 0.0
    start = ranker.build(config).init(config.seed, True, str(weights))
    train(config, str(tmp_path))
    moved = load_ranker(tmp_path).variables["params"]["backbone"]
    for name, tree in start["params"]["backbone"].items():
        same = jax.tree.leaves(jax.tree.map(np.array_equal, tree, moved[name]))
        assert all(same) if name in ("embed", "block0", "block1") else not any(same), name


def test_rates_fall_from_block_to_block_and_positions_do_not_decay(config):
    config.optimizer.backbone_rate, config.optimizer.stage_decay, config.optimizer.weight_decay = 1.0, 0.5, 1.0
    model = ranker.build(config)
    check_trained(config, model.backbone, model.abstract_variables())
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), model.abstract_variables()["params"])
    found = rates(config.optimizer, params, model.backbone.stages)["backbone"]
    assert [found[name]["scale" if name == "norm" else "scale1"] for name in ("norm", "block3", "block0")] == [
        1.0,
        0.5,
        0.5**4,
    ]
    assert found["embed"]["positions"] == 0.5**5
    optimizer = make_optimizer(config.optimizer, 10, params, model.backbone.stages)
    still = jax.tree.map(np.zeros_like, params)
    state = optimizer.init(params)
    _, state = optimizer.update(still, state, params)
    change, _ = optimizer.update(still, state, params)
    embed = change["backbone"]["embed"]
    assert np.abs(embed["kernel"]).min() > 0
    assert max(np.abs(embed[name]).max() for name in ("positions", "class", "registers", "bias")) == 0


def test_remat_is_refused_where_there_are_no_blocks(config):
    config.backbone.name, config.backbone.remat = "tiny", True
    with pytest.MonkeyPatch.context() as patch:
        for name, backbone in tiny_trunk.tiny_trunks().items():
            patch.setitem(BACKBONES, name, dataclasses.replace(backbone))
        with pytest.raises(ValueError, match="got backbone.remat=True for the backbone 'tiny'"):
            ranker.build(config)
