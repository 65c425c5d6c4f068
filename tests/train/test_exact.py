"""A whole run with a solved head: what it leaves, that it is exact and repeatable, and what it refuses."""

import json
import shutil

import jax
import numpy as np
import pytest

from lena_jax.evaluation.evaluate import evaluate
from lena_jax.evaluation.export import save_model
from lena_jax.models import ranker
from lena_jax.report.page import write_report
from lena_jax.runs import folder
from lena_jax.runs.load import load_ranker
from lena_jax.runs.saved_model import load_model
from lena_jax.studies import repeated_runs
from lena_jax.train import exact, inner_validation, pair_matrix, supports
from lena_jax.train.loop import train
from lena_jax.train.plan import make_plan


def solved(config):
    """Change a config to a solved head with few settings to try."""
    config.backbone.name, config.backbone.pretrained, config.backbone.endpoint = "tiny", False, ""
    config.head.solver, config.head.equal_spread = "exact", True
    config.head.ridges, config.head.starts, config.head.freedoms = (1.0, 0.1, 0.01), (0.2, 0.5), (10.0,)
    return config


@pytest.fixture
def config(small_config, tiny_trunks):
    return solved(small_config)


@pytest.fixture(scope="module")
def run(planted_dir, tiny_trunks, tmp_path_factory):
    from config_files import load_config

    config = load_config("quickstart")
    config.data.dir, config.image_size = str(planted_dir), 64
    workdir = tmp_path_factory.mktemp("solved") / "run"
    losses = train(solved(config), workdir)
    return workdir, losses, config


def test_a_run_leaves_what_other_runs_leave(run):
    workdir, losses, config = run
    assert len(losses) and np.isfinite(losses).all() and losses[-1] < np.log(2)
    chosen = folder.read_inner_validation(workdir)
    assert chosen["ridge"] in config.head.ridges and chosen["start"] in config.head.starts
    assert chosen["freedom"] == 10 and {row["start"] for row in chosen["tried"]} == {0.2, 0.5}
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert "loss" in rows[0] and "learning_rate" not in rows[0]
    assert folder.read_metrics(workdir) is None and (workdir / "training_scores.json").exists()
    assert train(config, workdir).size == 0  # Finished.


@pytest.mark.parametrize("ahead, start", [(0.001, 0.2), (0.003, 1.0)])
def test_supports_start_from_the_whole_map_only_where_it_is_clearly_ahead(config, tmp_path, monkeypatch, ahead, start):
    config.head.starts = (0.2, 0.5, 1.0)
    accuracies = iter((0.6, 0.62, 0.62 + ahead))  # Of the starts 0.5, 0.2 and 1.
    monkeypatch.setattr(
        inner_validation, "ridge_path", lambda features, parts, ridges: dict.fromkeys(ridges, next(accuracies))
    )
    train(config, tmp_path / "run")
    assert folder.read_inner_validation(tmp_path / "run")["start"] == start


def test_the_head_is_the_minimum_of_all_pairs(run):
    workdir, _, config = run
    plan, loaded = make_plan(config, 1), load_ranker(workdir)
    pairs = pair_matrix.pair_matrix(plan.pictures["train"])
    pictures = np.stack([plan.model.whole(plan.pictures["train"], index) for index in range(len(pairs.weight))])
    maps = loaded.model.feature_map(loaded.variables, pictures).astype(np.float16).astype(np.float32)
    pooled = np.asarray(loaded.model.pooled(loaded.variables, maps))
    spread = pooled.std(0)
    features = (pooled - pooled.mean(0)) / spread
    kernel = loaded.variables["params"]["head"]["kernel"][:, 0] * spread
    gradient = jax.grad(pair_matrix.loss)(features @ kernel, pairs) @ features
    ridge = folder.read_inner_validation(workdir)["ridge"]
    np.testing.assert_allclose(gradient, -ridge * kernel, atol=2e-3 * np.abs(ridge * kernel).max() + 1e-4)


def test_contributions_sum_to_the_score_and_training_scores_to_zero(run):
    workdir, _, config = run
    plan, loaded = make_plan(config, 1), load_ranker(workdir)
    assert not loaded.model.network.equal_spread and "spread" not in loaded.variables
    pictures = np.stack([plan.model.whole(plan.pictures["train"], index) for index in range(48)])
    scores, contributions, _ = loaded.model.explain(loaded.variables, pictures)
    bias = loaded.variables["params"]["head"]["bias"][0]
    np.testing.assert_allclose(contributions.sum((1, 2)), scores - bias, atol=1e-4)
    assert abs(float(scores.mean())) < 0.05 and abs(bias) < 0.05  # Counted from the mean training picture.


def test_maps_of_an_earlier_version_are_counted_from_the_mean_once_the_run_is_evaluated(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    path, new = tmp_path / "run/training_scores.json", load_ranker(tmp_path / "run")
    stored = json.loads(path.read_text())
    np.testing.assert_array_equal(new.variables["baseline"]["pooled"], np.float32(stored.pop("pooled")))
    path.write_text(json.dumps(stored))
    older = load_ranker(tmp_path / "run")
    assert "baseline" not in older.variables and abs(older.variables["params"]["head"]["bias"][0]) > 0.1
    save_model(tmp_path / "run", tmp_path / "saved")  # Evaluates it first.
    for again in (load_ranker(tmp_path / "run"), load_model(tmp_path / "saved")):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=0.02), again.variables, new.variables)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pooled": [0.0]}))
    with pytest.raises(ValueError, match=r"training_scores.json' is of another model, got a baseline of"):
        load_ranker(tmp_path / "run")


def test_the_same_features_give_the_same_bits(run, tmp_path):
    workdir, _, config = run
    train(config, tmp_path / "again")
    first, again = (load_ranker(path).variables for path in (workdir, tmp_path / "again"))
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_an_interrupted_run_goes_on_with_what_was_chosen(run, tmp_path, monkeypatch):
    workdir, _, config = run
    half = tmp_path / "half"
    half.mkdir()
    shutil.copy(workdir / "inner_validation.json", half)
    monkeypatch.setattr(exact.Fit, "_choose", lambda self: pytest.fail("chosen again"))
    train(config, half)
    first, again = (load_ranker(path).variables for path in (workdir, half))
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_sorted_maps_are_in_memory_once():
    """They may take most of it, and `jnp.asarray` would copy them."""
    means = exact._aligned((3, 5, 7))
    means[:] = 1
    assert supports.Table.of(means).means.unsafe_buffer_pointer() == means.ctypes.data


def test_evaluation_and_report_say_what_supports_did(run):
    workdir, _, _ = run
    evaluate(workdir)
    write_report(workdir)
    page = (workdir / "report.html").read_text()
    assert "Inner validation" in page and "that supports differ is worth" in page and "times as many" in page


@pytest.mark.parametrize("pooling", ["average", "gem", "top_n"])
def test_other_poolings_are_solved_too(config, pooling, tmp_path):
    config.pooling = pooling
    config.pooling_options.top_n.n = 4.0
    losses = train(config, tmp_path / "run")
    assert losses[-1] < np.log(2)
    assert {row["start"] for row in folder.read_inner_validation(tmp_path / "run")["tried"]} == {None}


def test_sparse_penalty_and_objectness(config, mapped_dir, tmp_path):
    config.data.dir, config.fusion = str(mapped_dir), "concat"
    config.head.penalties, config.head.ridges, config.head.starts = ("even", "sparse"), (0.1,), (0.5,)
    train(config, tmp_path / "run")
    tried = folder.read_inner_validation(tmp_path / "run")["tried"]
    assert {row["penalty"] for row in tried} == {"even", "sparse"}
    model = ranker.build(config)
    assert load_ranker(tmp_path / "run").variables["params"]["head"]["kernel"].shape == (
        model.abstract_feature_map().shape[-1] + 1,
        1,
    )


def test_a_learned_gate_is_chosen_by_inner_validation(config, mapped_dir, tmp_path):
    config.data.dir, config.fusion, config.pooling = str(mapped_dir), "learned_gate", "average"
    train(config, tmp_path / "run")
    chosen = folder.read_inner_validation(tmp_path / "run")
    assert [row["gate"] for row in chosen["gates"]] == [0.0, 0.25, 0.5, 1.0]
    assert chosen["gate"] == max(chosen["gates"], key=lambda row: row["pair_accuracy"])["gate"]
    evaluate(tmp_path / "run", sheet=False)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["gate"] == pytest.approx(chosen["gate"], abs=1e-6)


def test_too_many_pictures_are_trained_step_by_step(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pair_matrix, "MOST_PICTURES", 40)
    assert len(train(config, tmp_path / "run")) == config.steps
    assert "48 training pictures are more than 40" in capsys.readouterr().out
    assert not load_ranker(tmp_path / "run").model.network.equal_spread
    evaluate(tmp_path / "run")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"backbone.frozen": False}, "expected a frozen backbone"),
        ({"head.equal_spread": False}, "head.equal_spread=False, expected True"),
        ({"head.solver": "newton"}, "expected 'steps' or 'exact'"),
        ({"head.ridges": (0.0,)}, r"head.ridges \(0.0,\), expected numbers between"),
        ({"head.starts": ()}, "head.starts"),
        ({"head.penalties": ("sparse",)}, "expected 'even'"),
    ],
)
def test_contradictions_are_refused(config, change, message):
    with config.unlocked():
        config.update_from_flattened_dict(change)
    with pytest.raises(ValueError, match=message):
        make_plan(config, 1)


def test_equal_seeds_and_too_few_pictures_are_refused(config):
    config.backbone.pretrained = True
    with pytest.raises(ValueError, match="got 3 seeds and head.solver 'exact', expected one seed"):
        repeated_runs.configs_of(config, 0, 3)
    assert len(repeated_runs.configs_of(config, 2, 1)) == 2
    plan = make_plan(config, 1)
    parts = inner_validation.held_out_parts(plan.pictures["train"].subset([0, 1, 2]), None)
    assert parts == []  # Fewer pictures than parts.
