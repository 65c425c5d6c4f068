import jax
import numpy as np
import pytest
import tiny_trunk

from lena_jax import ranker, training, training_inputs
from lena_jax.evaluation import load_ranker

pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.fixture
def config(planted_dir):
    config = tiny_trunk.get_config()
    config.data.dir, config.backbone.name, config.pooling = str(planted_dir), "tiny_norm", "average"
    config.steps, config.eval_every = 3, 3
    return config


def trained(config, workdir):
    """(initial, final) variables of a run."""
    training.train(config, str(workdir))
    return jax.tree.map(np.asarray, ranker.build(config).init(config.seed, pretrained=False)), load_ranker(
        str(workdir))[1]


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


def test_statistics_move_where_they_are_asked_to_and_only_there(config, tmp_path):
    changes = moved(*trained(config, tmp_path / "inference"))
    statistics = {name for name in changes if name.startswith("batch_stats")}
    assert len(statistics) == 4 and not any(changes[name] for name in statistics)
    assert all(change for name, change in changes.items() if name not in statistics)
    config.backbone.batch_norm = "train"
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
    seen = jax.lax.conv_general_dilated((pictures / 255 - 0.5).astype(np.float32) / 0.25, kernel, (4, 4), "SAME",
                                        dimension_numbers=("NHWC", "HWIO", "NHWC"))
    mean = both["batch_stats"]["backbone"]["first_norm"]["mean"]
    np.testing.assert_allclose(mean[0], 0.1 * seen.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_array_equal(mean[0], mean[1])  # The statistics of both devices' pictures.


def test_a_trunk_without_batch_norm_cannot_train_by_batch_statistics(config, tmp_path):
    config.backbone.name, config.backbone.batch_norm = "tiny", "train"
    with pytest.raises(ValueError, match="batch_norm"):
        training.train(config, str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change, message", [
    ({"train_from": "third"}, r"'third', expected '' or one of \['first', 'second'\]"),
    ({"batch_norm": "train", "accumulate": 2}, "accumulate=2: the statistics"),
    ({"weights": "x.pth"}, "backbone.weights 'x.pth' and backbone.pretrained=False"),
    ({"frozen": True, "train_from": "second"}, "set backbone.frozen=False")])
def test_contradictions_are_refused(config, change, message):
    config.accumulate = change.pop("accumulate", 1)
    config.backbone.update(change)
    model = ranker.build(config)
    with pytest.raises(ValueError, match=message):
        training_inputs.check(config, model.backbone, model.abstract_variables())


def test_a_stage_behind_the_endpoint_cannot_be_trained_from(config):
    config.backbone.name, config.backbone.endpoint, config.backbone.train_from = "alexnet", "", "conv5"
    model = ranker.build(config)
    training_inputs.check(config, model.backbone, model.abstract_variables())
    config.backbone.name, config.backbone.endpoint = "vgg16", "conv4_3"
    model = ranker.build(config)
    with pytest.raises(ValueError, match="'conv5', expected '' or one of .*'conv4'"):
        training_inputs.check(config, model.backbone, model.abstract_variables())


def test_the_shares_of_processes_are_the_batch_that_one_has(config, planted_dir):
    """What is random about a picture does not depend on who fetches it."""
    from lena_jax import run_data
    from lena_jax.input_pipeline import Augmentation

    model = ranker.build(config)
    pictures = run_data.open_pictures(config)
    fetch = training_inputs.make_inputs(config, model, model.init(0, pretrained=False), pictures, Augmentation()).fetch
    index = np.array([3, 9, 9, 0])
    whole = fetch(index, np.random.default_rng(1), slice(0, 4))
    parts = [fetch(index, np.random.default_rng(1), slice(at, at + 2)) for at in (0, 2)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole[1], whole[2])
