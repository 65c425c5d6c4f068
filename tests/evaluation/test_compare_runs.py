import functools
import json

import numpy as np
import pytest
from evaluation_files import IDS, SCORES, evaluation

from lena_jax.evaluation.compare_runs import compare_runs, put_together
from lena_jax.metrics import compare_models
from lena_jax.report import tables


def test_from_the_files_of_two_evaluations(tmp_path):
    first, second = (
        evaluation(tmp_path / name, noise, number) for number, (name, noise) in enumerate((("a", 0.1), ("b", 1.5)))
    )
    output = tmp_path / "comparison.json"
    result = compare_runs([str(tmp_path / "a"), str(tmp_path / "b")], output=output)
    assert json.loads(output.read_text()) == result
    expected = compare_models(first, second, SCORES)
    for name in ("pair_accuracy", "spearman"):
        assert result[name]["difference"] == pytest.approx(expected[name]["difference"])
        assert result[name]["p_value"] == pytest.approx(expected[name]["p_value"], abs=0.03)  # Another order.
        assert result[name]["low"] > 0
    text = tables.comparison_table(result, output)
    assert "photos test" in text and f"p = {result['spearman']['p_value']:.4f}" in text and str(output) in text


def test_groups_and_folds_are_compared_within(tmp_path):
    groups = np.where(np.arange(20) < 8, "x", "y")
    for name, noise in (("a", 0.3), ("b", 1.0)):
        predicted = [
            evaluation(tmp_path / name / f"fold_{fold}", noise, fold, groups, fold * "f" or "0") for fold in range(2)
        ]
        (tmp_path / name / "metrics.json").write_text(json.dumps({"runs": {"fold_0": {}, "fold_1": {}}}))
    result = compare_runs([str(tmp_path / name) for name in "ab"])
    assert result["pairs"] == 2 * (8 * 7 // 2 + 12 * 11 // 2) and result["pictures"] == 40
    expected = compare_models(
        np.zeros(40),
        np.concatenate(predicted),
        np.tile(SCORES, 2),
        np.concatenate([np.char.add(groups, str(fold)) for fold in range(2)]),
        resamples=2,
    )
    assert result["pair_accuracy"]["second"] == pytest.approx(expected["pair_accuracy"]["second"])
    assert result["spearman"]["second"] == pytest.approx(expected["spearman"]["second"])
    with pytest.raises(ValueError, match="must have the same folds, got .*fold_1.* and none"):
        compare_runs([str(tmp_path / "a"), str(tmp_path / "b/fold_0")])
    (tmp_path / "a/metrics.json").write_text(json.dumps({"runs": {"seed_0": {}, "seed_1": {}}}))
    with pytest.raises(ValueError, match="several runs on the same pictures, seed_0, seed_1: compare one"):
        compare_runs([str(tmp_path / "a"), str(tmp_path / "b")])


def test_with_and_without_objectness_maps_is_the_same_data(tmp_path):
    evaluation(tmp_path / "with", 0.5, 0, fingerprint="f" * 64 + "+" + "a" * 64)
    evaluation(tmp_path / "without", 1.5, 1)
    result = compare_runs([str(tmp_path / "with"), str(tmp_path / "without")])
    assert result["pair_accuracy"]["difference"] > 0


def test_a_group_in_several_folds_is_one_unit(tmp_path, monkeypatch):
    # The interval, which takes all the time, is not looked at.
    few = functools.partial(compare_models, resamples=20)
    monkeypatch.setattr("lena_jax.evaluation.compare_runs.compare_models", few)
    names = np.array([f"site {number}" for number in range(10)])
    groups = np.repeat(names, 2)
    for name, noise in (("a", 0.3), ("b", 1.0)):
        for fold in range(4):
            evaluation(tmp_path / name / f"fold_{fold}", noise, fold, groups)
        runs = {f"fold_{fold}": {} for fold in range(4)}
        (tmp_path / name / "metrics.json").write_text(json.dumps({"runs": runs}))
    result = compare_runs([str(tmp_path / name) for name in "ab"])
    # Ten sites are too few to be drawn, and their 40 parts in folds are not independent.
    assert result["unit"] == "picture" and result["pairs"] == 40
    whole = put_together([[str(tmp_path / "a" / f"fold_{fold}")] for fold in range(4)])
    assert len(np.unique(whole["clusters"])) == 10 and len(np.unique(whole["groups"])) == 40


def test_what_cannot_be_compared_is_named(tmp_path):
    evaluation(tmp_path / "a", 1, 0)
    evaluation(tmp_path / "other data", 1, 0, fingerprint="g" * 64)
    evaluation(tmp_path / "other pairs", 1, 0, pairs=np.array([[0, 1]]))
    evaluation(tmp_path / "other pictures", 1, 0, ids=np.char.add("x", IDS))
    evaluation(tmp_path / "old", 1, 0)
    (tmp_path / "old/metrics.json").write_text(json.dumps({"data": "photos"}))
    for name, message in (
        ("other data", "the fingerprint 'f+' and 'g+'"),
        ("other pairs", "190 and 1: .*--pairs=.*a/pairs"),
        ("other pictures", "the id 'x"),
        ("old", "old' does not name its dataset"),
        ("nowhere", "nowhere': metrics.json, scores.csv or pairs.csv is missing"),
    ):
        with pytest.raises(ValueError, match=message):
            compare_runs([str(tmp_path / "a"), str(tmp_path / name)])
    with pytest.raises(ValueError, match="two folders, got 1: a"):
        compare_runs(["a"])
