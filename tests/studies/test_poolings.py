"""Cells, their table and its files, on the small `planted` with a tiny frozen backbone."""

import csv
import json
import os

import numpy as np
import pytest
import tiny_trunk
from evaluation_files import SCORES
from evaluation_files import evaluation as leave_evaluation
from scipy import stats

from lena_jax.data.splits import open_pictures
from lena_jax.metrics import compare_trainings, holm, pair_accuracy, pairs_to_compare
from lena_jax.models.predict import predict
from lena_jax.runs.load import load_ranker
from lena_jax.studies import poolings
from lena_jax.studies import study as study_module
from lena_jax.studies.poolings_report import poolings_markdown
from lena_jax.studies.report import signed

POOLINGS = ("lena", "average", "top_n:2")


def tiny_config(planted_dir):
    config = tiny_trunk.get_config()
    config.backbone.frozen = True
    config.data.dir = str(planted_dir)
    config.steps, config.eval_every, config.log_every = 8, 4, 4
    return config


class Interrupted(Exception):
    """In place of a kill between two runs."""


@pytest.fixture(scope="module")
def finished(planted_dir, tiny_trunks, tmp_path_factory):
    """A study that was interrupted before its fourth cell and then finished: (study, workdir, table, what was done)."""
    workdir = tmp_path_factory.mktemp("study")
    study = poolings.Study(tiny_config(planted_dir), POOLINGS, seeds=2)
    run_one, done = study_module.run_one, []

    def counted(config, path):
        if len(done) == 3:
            done.append("interrupted")
            raise Interrupted
        done.append(os.path.relpath(path, workdir))
        return run_one(config, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "run_one", counted)
        with pytest.raises(Interrupted):
            poolings.run(study, str(workdir))
        times = mtimes(workdir / "cells")
        assert not (workdir / "table.md").exists() and len(times) > 20
        table = poolings.run(study, str(workdir))
    later = mtimes(workdir / "cells")
    assert {path: later[path] for path in times} == times  # Finished runs are not touched.
    return study, workdir, table, done


def mtimes(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_was_interrupted_goes_on_and_nothing_is_done_twice(finished):
    study, workdir, table, done = finished
    names = [f"cells/none/{pooling}/seed_{seed}" for pooling in ("lena", "average", "top_n_2") for seed in range(2)]
    assert list(study.configs()) == names
    assert done == [*names[:3], "interrupted", *names[3:]]
    assert poolings.run(study, str(workdir)) == table == json.loads((workdir / "table.json").read_text())
    assert len(done) == 7


def test_the_table_is_what_the_cells_say(finished):
    study, workdir, table, _ = finished
    assert [(row["pooling"], row["fusion"], row["runs"]) for row in table["rows"]] == [
        (pooling, "none", 2) for pooling in POOLINGS
    ]
    tests = open_pictures(study.config)["test"]
    pairs = pairs_to_compare(tests.scores, tests.groups)
    place = {name: index for index, name in enumerate(tests.ids)}
    predicted, accuracies = {}, {}
    for pooling in POOLINGS:
        predicted[pooling] = np.empty((2, len(tests)))
        folder = workdir / "cells/none" / pooling.replace(":", "_")
        for seed in range(2):
            with open(folder / f"seed_{seed}/scores.csv") as file:
                for row in csv.DictReader(file):
                    predicted[pooling][seed, place[row["id"]]] = row["predicted"]
        accuracies[pooling] = [
            (np.sign(one[pairs[:, 0]] - one[pairs[:, 1]]) / 2 + 0.5).mean() for one in predicted[pooling]
        ]
    raw, raw_runs = [], []
    for row in table["rows"]:
        ours = accuracies[row["pooling"]]
        mean = row["mean"]["pair_accuracy"]
        half = stats.t.ppf(0.975, 1) * stats.sem(ours)
        assert (mean["value"], mean["low"], mean["high"]) == pytest.approx(
            (np.mean(ours), np.mean(ours) - half, np.mean(ours) + half)
        )
        if row["pooling"] == "average":
            assert row["against"] is None
            continue
        expected = compare_trainings(predicted[row["pooling"]], predicted["average"], tests.scores, tests.groups, pairs)
        against = row["against"]["pair_accuracy"]
        assert against["difference"] == pytest.approx(np.mean(ours) - np.mean(accuracies["average"]))
        for key in ("low", "high"):
            assert against[key] == pytest.approx(expected["pair_accuracy"][key], abs=0.02)
        by_seed = np.subtract(ours, accuracies["average"])
        assert against["runs"]["difference"] == pytest.approx(by_seed.mean())
        assert against["runs"]["p_value"] == pytest.approx(
            stats.ttest_1samp(by_seed, 0).pvalue if np.ptp(by_seed) else float(by_seed.mean() == 0)
        )
        raw.append((against["p_value"], against["p_holm"]))
        raw_runs.append((against["runs"]["p_value"], against["runs"]["p_holm"]))
    for pair in (raw, raw_runs):
        assert [corrected for _, corrected in pair] == pytest.approx(holm([p for p, _ in pair]))
    lena, average, _ = table["rows"]
    assert average["support"] is None and lena["support"]["cells"] == 64
    sizes = [
        json.loads((workdir / f"cells/none/lena/seed_{seed}/metrics.json").read_text())["eta"]["support_size"]
        for seed in range(2)
    ]
    assert lena["support"]["median"] == pytest.approx(np.mean([size["50"] for size in sizes]))
    assert {"auc", "calibration.ece", "localization.contribution_map.pxap"} < set(lena["mean"])
    assert table["pictures"] == 24 and table["pairs"] == len(pairs) and all(row["seconds"] > 0 for row in table["rows"])


def test_the_files_say_the_same(finished):
    _, workdir, table, _ = finished
    text = (workdir / "table.md").read_text()
    mean = table["rows"][0]["mean"]["pair_accuracy"]
    assert f"| none | lena | {mean['value']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]" in text
    assert text.count("baseline") == 2 and "contribution map: PxAP" in text and "Learned support sizes" in text
    with open(workdir / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[2]["against.pair_accuracy.runs.p_holm"]) == pytest.approx(
        table["rows"][2]["against"]["pair_accuracy"]["runs"]["p_holm"]
    )
    assert rows[1]["against.spearman.difference"] == ""
    assert (workdir / "figure.png").read_bytes()[:4] == b"\x89PNG" and (workdir / "figure.png").stat().st_size > 5000
    readme = (workdir / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in os.listdir(workdir) if name not in ("README.md", "cells"))


def test_scores_from_the_cache_are_those_of_evaluate(finished, tmp_path):
    _, workdir, _, _ = finished
    model, variables, config, _, _ = load_ranker(str(workdir / "cells/none/lena/seed_0"))
    tests = open_pictures(config)["test"]
    scores = predict(model, variables, tests)[0]
    with open(workdir / "cells/none/lena/seed_0/scores.csv") as file:
        cached = {row["id"]: float(row["predicted"]) for row in csv.DictReader(file)}
    difference = np.abs([cached[name] for name in tests.ids] - scores)
    assert np.ptp(scores) > 0.01 and 0 < difference.max() < 1e-3 * np.abs(scores).max()


def test_another_baseline_and_one_cell_alone(finished, capsys):
    study, workdir, table, done = finished
    other = poolings.Study(study.config, POOLINGS, seeds=2, against="lena")
    turned = poolings.run(other, str(workdir), only=1)
    ours, theirs = turned["rows"][1]["against"]["pair_accuracy"], table["rows"][0]["against"]["pair_accuracy"]
    assert ours["difference"] == pytest.approx(-theirs["difference"]) and turned["rows"][0]["against"] is None
    assert "pair accuracy − lena" in (workdir / "table.md").read_text()
    poolings.run(study, str(workdir))  # As it was, for the other tests.
    with pytest.raises(ValueError, match=r"index of a run must be in \[0, 6\), got 6"):
        poolings.run(study, str(workdir), only=6)


def test_a_cell_of_an_array_alone_leaves_the_table_to_the_last(planted_dir, tiny_trunks, tmp_path, monkeypatch):
    study = poolings.Study(tiny_config(planted_dir), ("average", "max"), seeds=2)
    done = []
    monkeypatch.setattr(study_module, "run_one", lambda config, path: done.append((config.pooling, config.seed)))
    assert poolings.run(study, str(tmp_path), only=3) is None
    assert done == [("max", 1)] and os.listdir(tmp_path) == ["study.json"]


def test_another_config_is_refused(finished):
    study, workdir, _, _ = finished
    config = study.config.copy_and_resolve_references()
    config.steps = 9
    with pytest.raises(ValueError, match=r"study of another config; these keys differ: \['config.steps'\]"):
        poolings.run(poolings.Study(config, POOLINGS, seeds=2), str(workdir))
    with pytest.raises(ValueError, match=r"these keys differ: \['seeds'\]"):
        poolings.run(poolings.Study(study.config, POOLINGS, seeds=3), str(workdir))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"poolings": ("lena", "lina")}, "got pooling 'lina', expected one of lena,average"),
        ({"poolings": ("max:3", "average")}, "expected 'max' alone"),
        ({"poolings": ("top_n:x", "average")}, "expected a number after the colon, for n"),
        ({"poolings": ("average", "average")}, "must be at least one name, each only once, got average,average"),
        ({"poolings": ("lena",)}, "must be one of the poolings, got 'average'"),
        ({"fusions": ("both",)}, "got fusion 'both'"),
        ({"seeds": 1}, "folds=0 and seeds=1"),
    ],
)
def test_what_cannot_be_compared(change, message):
    with pytest.raises(ValueError, match=message):
        poolings.Study(tiny_trunk.get_config(), **{"poolings": POOLINGS, "seeds": 2} | change)


def test_a_pooling_that_does_not_fit_is_found_before_anything_is_trained(planted_dir, tiny_trunks, tmp_path):
    study = poolings.Study(tiny_config(planted_dir), ("average", "top_n:65"), seeds=2)
    with pytest.raises(ValueError, match="got 65.0, expected 1 to 64"):
        poolings.run(study, str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_value_goes_to_the_main_option(planted_dir):
    study = poolings.Study(tiny_config(planted_dir), ("average", "top_n:5", "lena:0.5"), ("none", "gate"), folds=3)
    runs = study.configs()
    assert len(runs) == 18
    config = runs["cells/gate/top_n_5/fold_2"]
    assert (config.pooling, config.pooling_options.top_n.n, config.fusion) == ("top_n", 5.0, "gate")
    assert (config.data.folds, config.data.fold) == (3, 2)
    assert runs["cells/none/lena_0.5/fold_0"].pooling_options.lena.init_share == 0.5
    assert study.config.pooling_options.lena.init_share == 0.1


def test_objectness_is_compared_with_the_same_pooling_without(planted_dir, tmp_path):
    study = poolings.Study(tiny_config(planted_dir), ("average", "max"), fusions=("none", "gate"), seeds=2)
    results, predicted = {}, {}
    pairs = pairs_to_compare(SCORES)
    for place, (pooling, fusion) in enumerate(study.rows()):
        print_of = "f" * 64 + ("+" + "a" * 64 if fusion == "gate" else "")
        for seed, (folder, _) in enumerate(study.runs(pooling, fusion).values()):
            noise = (0.3, 0.5, 1.0, 2.0)[place]
            scores = leave_evaluation(tmp_path / folder, noise, 10 * place + seed, fingerprint=print_of)
            predicted.setdefault((pooling, fusion), []).append(scores)
            results[folder] = {
                "pair_accuracy": {"value": pair_accuracy(scores, pairs)},
                "spearman": {"value": stats.spearmanr(scores, SCORES).statistic},
            }
    table = poolings.table_of(study, str(tmp_path), results)
    raw = []
    for row in table["rows"]:
        if row["fusion"] == "none":
            assert row["without"] is None
            continue
        here, without = (predicted[row["pooling"], fusion] for fusion in ("gate", "none"))
        found = row["without"]["pair_accuracy"]
        assert found["difference"] == pytest.approx(
            np.mean([pair_accuracy(one, pairs) for one in here])
            - np.mean([pair_accuracy(one, pairs) for one in without])
        )
        assert found["low"] < found["difference"] < found["high"] < 0
        assert found["runs"]["difference"] == pytest.approx(found["difference"])
        raw.append((found["p_value"], found["p_holm"]))
    assert [corrected for _, corrected in raw] == pytest.approx(holm([p for p, _ in raw]))
    text = poolings_markdown(table)
    assert "With objectness against without" in text and f"| gate | max | {signed(found)} |" in text
