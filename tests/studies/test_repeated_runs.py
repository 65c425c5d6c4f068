import json
import os

import numpy as np
import pytest
from scipy import stats

from lena_jax.config import as_json
from lena_jax.report import tables
from lena_jax.studies import repeated_runs

ACCURACIES = {"fold_0": 0.7, "fold_1": 0.8, "fold_2": 0.6, "seed_0": 0.5, "seed_1": 0.9}


@pytest.fixture
def trained(monkeypatch):
    """Replaces training by writing the config, and evaluation by looking the accuracy up; lists what was trained."""
    seen = []

    def train(config, path):
        name = os.path.basename(path)
        if os.path.exists(os.path.join(path, "config.json")):
            return np.zeros(0)
        seen.append(name)
        os.makedirs(path)
        with open(os.path.join(path, "config.json"), "w") as file:
            json.dump(as_json(config), file)
        return np.ones(1)

    def evaluate(path, predictor):
        parts = os.path.basename(path).split("_seed_")
        value = ACCURACIES[parts[0]] + (0.1 * int(parts[1]) if len(parts) > 1 else 0)
        with open(os.path.join(path, "metrics.json"), "w") as file:
            measures = {name: {"value": value} for name in ("pair_accuracy", "spearman", "kendall", "auc")}
            json.dump(
                {
                    **measures,
                    "step": 7,
                    "data": "planted",
                    "calibration": {"ece": value / 2, "bins": [{"accuracy": 1.0}]},
                    "localization": {"virality_map": {"pxap": {"value": value / 4, "low": 0.0, "high": 1.0}}},
                },
                file,
            )

    monkeypatch.setattr(repeated_runs, "train", train)
    monkeypatch.setattr(repeated_runs, "evaluate", evaluate)
    monkeypatch.setattr(repeated_runs, "write_report", lambda path: None)
    return seen


def test_means_and_intervals_over_folds(small_config, tmp_path, trained):
    results = repeated_runs.run(small_config, str(tmp_path), 3)
    assert trained == ["fold_0", "fold_1", "fold_2"]
    assert small_config.data.folds == 0  # The caller's config is left alone.
    config = json.loads((tmp_path / "fold_2/config.json").read_text())
    assert config["data"]["folds"] == 3 and config["data"]["fold"] == 2 and config["seed"] == small_config.seed
    interval = stats.t.interval(0.95, 2, 0.7, stats.sem([0.7, 0.8, 0.6]))
    mean = results["mean"]["spearman"]
    assert (mean["value"], mean["low"], mean["high"]) == pytest.approx((0.7, *interval))
    # Every single number is averaged, what is nested under a dotted name.
    assert set(results["mean"]) == {
        "pair_accuracy",
        "spearman",
        "kendall",
        "auc",
        "calibration.ece",
        "localization.virality_map.pxap",
    }
    ece, pxap = results["mean"]["calibration.ece"], results["mean"]["localization.virality_map.pxap"]
    assert ece["high"] == pytest.approx(interval[1] / 2) and pxap["value"] == pytest.approx(0.7 / 4)
    assert json.loads((tmp_path / "metrics.json").read_text()) == results
    table = tables.runs_table(results)
    assert "mean" in table and "0.800" in table and f"[{interval[0]:.3f},{interval[1]:.3f}]" in table
    assert repeated_runs.run(small_config, str(tmp_path), 3) == results and len(trained) == 3


def test_runs_by_number_are_put_together_by_the_last_whichever_it_is(small_config, tmp_path, trained):
    assert repeated_runs.run(small_config, str(tmp_path), 3, fold=2) is None
    assert repeated_runs.run(small_config, str(tmp_path), 3, fold=0) is None
    assert trained == ["fold_2", "fold_0"] and not (tmp_path / "metrics.json").exists()
    assert repeated_runs.run(small_config, str(tmp_path), 3, fold=1)["mean"]["kendall"]["value"] == pytest.approx(0.7)
    # A folder that another config left behind is not counted in.
    small_config.optimizer.learning_rate = 0.5
    assert repeated_runs.run(small_config, str(tmp_path), 3, fold=1) is None


def test_seeds_with_and_without_folds(small_config, tmp_path, trained):
    small_config.seed = 5
    results = repeated_runs.run(small_config, str(tmp_path / "a"), seeds=2)
    assert json.loads((tmp_path / "a/seed_1/config.json").read_text())["seed"] == 6
    assert results["mean"]["spearman"]["value"] == pytest.approx(0.7)
    results = repeated_runs.run(small_config, str(tmp_path / "b"), 3, 2)
    assert set(results["runs"]) == {f"fold_{fold}_seed_{seed}" for fold in range(3) for seed in range(2)}
    interval = stats.t.interval(0.95, 2, 0.75, stats.sem([0.75, 0.85, 0.65]))
    mean = results["mean"]["spearman"]
    assert (mean["value"], mean["low"], mean["high"]) == pytest.approx((0.75, *interval))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"folds": 1}, "folds=1 and seeds=1"),
        ({"folds": 0}, "folds=0 and seeds=1"),
        ({"seeds": 0}, "seeds=0"),
        ({"folds": 3, "fold": 3}, r"fold must be in \[0, 3\), got 3"),
        ({"seeds": 2, "seed": -1}, r"seed must be in \[0, 2\), got -1"),
        ({"folds": 0, "seeds": 2, "fold": 0}, r"fold must be in \[0, 0\), got 0"),
    ],
)
def test_numbers_that_cannot_be(small_config, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        repeated_runs.run(small_config, str(tmp_path), **change)
