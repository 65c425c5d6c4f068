"""The configs of experiments/configs: each builds its network, and the paper's recipe runs on pairs unchanged."""

import json
from pathlib import Path

import jax
import numpy as np
import pair_data
import pytest
from config_files import REPOSITORY, load_config

from lena_jax.config import paper_config
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.models import ranker
from lena_jax.train.inputs import check_trained
from lena_jax.train.loop import train
from lena_jax.train.optimizer import learning_rate, make_optimizer

FOLDER = REPOSITORY / "experiments/configs"
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_locked_explains_itself_and_builds_its_network(name):
    config = load_config(name)
    with pytest.raises(AttributeError):
        config.no_such_key = 1
    model = ranker.build(config)
    variables = model.abstract_variables()
    check_trained(config, model.backbone, variables)
    make_optimizer(config.optimizer, config.steps, variables["params"], model.backbone.stages)
    text = Path(REPOSITORY / f"experiments/configs/{name}.py").read_text()
    assert {"paper/uiv", "paper/ivgp"} < set(NAMES)
    assert f"--config=experiments/configs/{name}.py" in text and "--workdir=" in text


def test_the_paper_config_is_the_papers():
    """The values of the supplementary material and the solver file; see design.md, section 3."""
    config = paper_config()
    rate = learning_rate(config.optimizer, config.steps)
    assert [float(rate(step)) for step in (0, 4999, 5000, 9999)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])
    assert (config.steps, config.batch_size // 2, config.image_size) == (10_000, 8, 224)
    assert (config.optimizer.name, config.optimizer.momentum, config.optimizer.weight_decay) == ("sgd", 0.9, 0.05)
    assert (config.optimizer.bias_rate, config.optimizer.backbone_rate, config.optimizer.clip_norm) == (2.0, 1.0, 0.0)
    assert config.pooling == "lena" and config.pooling_options.lena.init_share == 0.1
    model = ranker.build(config)
    maps = jax.eval_shape(model.feature_map, model.abstract_variables(), np.zeros((1, 224, 224, 3), np.uint8))
    assert maps.shape == (1, 14, 14, 512)


def test_a_row_of_the_papers_table_names_backbone_pooling_and_fusion():
    for name, expected in (
        ("paper/ivgp:alexnet,max,gate", ("ivgp/pairs", "alexnet", "max", "gate")),
        ("paper/uiv", ("uiv/pairs", "vgg16", "lena", "none")),
    ):
        config = load_config(name)
        assert (config.data.name, config.backbone.name, config.pooling, config.fusion) == expected
    for row, message in (
        ("vgg17", "got backbone 'vgg17'"),
        ("vgg16,lina", "pooling: got 'lina'"),
        ("vgg16,lena,gates", "got fusion 'gates'"),
        ("vgg16,lena,none,1", "at most BACKBONE"),
    ):
        with pytest.raises(ValueError, match=message):
            ranker.build(paper_config(row))


def disjoint_pairs(first, count):
    """Pairs as in UIV, where no picture is in two pairs. The left picture is higher in every other pair."""
    return [(first + 2 * number, first + 2 * number + 1, number % 2) for number in range(count)]


def test_the_papers_recipe_runs_unchanged_on_pairs(quickly_compiled, tmp_path):
    """Only the picture size, the number of steps and the weights (random here) differ from a row of the paper's table.

    Its main row differs in the backbone alone, VGG16, which takes twice as long; tests/backbones covers that.
    """
    pair_data.build(tmp_path, {"train": disjoint_pairs(0, 25), "test": disjoint_pairs(50, 5)})
    config = load_config("paper/uiv:alexnet")
    config.data.name, config.data.dir = "judged", str(tmp_path)
    config.image_size, config.backbone.pretrained, config.steps = 64, False, 4
    losses = train(config, str(tmp_path / "run"))
    assert losses.shape == (4,) and losses[0] == pytest.approx(np.log(2), abs=0.05)
    assert np.isfinite(losses).all() and len(set(losses.tolist())) == 4
    metrics = evaluate(str(tmp_path / "run"))
    assert metrics["pairs"] == 5
    written = json.loads((tmp_path / "run/config.json").read_text())
    assert written["optimizer"] == json.loads(config.optimizer.to_json())
