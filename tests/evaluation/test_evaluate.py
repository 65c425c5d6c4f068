import csv
import json
import re
import shutil

import jax
import numpy as np
import pytest
import tiny_trunk
from PIL import Image

from lena_jax.data.splits import open_pictures
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.metrics import ranking_metrics
from lena_jax.models.predict import predict
from lena_jax.report import tables
from lena_jax.report.page import write_report
from lena_jax.runs import checkpoints
from lena_jax.runs.load import load_ranker
from lena_jax.train.loop import train


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    """A copy of the trained run with only its checkpoints, evaluated."""
    workdir = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(trained[0] / "checkpoints", workdir / "checkpoints")
    return workdir, evaluate(str(workdir))


def test_evaluation_needs_the_checkpoint_alone_and_leaves_what_it_says(evaluated):
    workdir, metrics = evaluated
    assert json.loads((workdir / "metrics.json").read_text()) == metrics
    assert metrics["pictures"] == 24 and metrics["split"] == "test" and metrics["pooling"] == "lena"
    with Image.open(workdir / "maps.png") as sheet:
        assert sheet.width > 600 and sheet.height > 600
    assert not list(workdir.rglob("*unfinished*"))


def test_the_table_of_scores_gives_the_measures_again(evaluated):
    workdir, metrics = evaluated
    with open(workdir / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    predicted = [float(row["predicted"]) for row in rows]
    assert predicted == sorted(predicted, reverse=True) and len({row["id"] for row in rows}) == 24
    again = ranking_metrics(predicted, [float(row["score"]) for row in rows], resamples=9)
    assert again["pair_accuracy"]["value"] == pytest.approx(metrics["pair_accuracy"]["value"])


def test_the_same_pairs_again(evaluated, tmp_path):
    workdir, metrics = evaluated
    lines = (workdir / "pairs.csv").read_text().splitlines()
    assert lines[0] == "id_high,id_low" and len(lines) == metrics["pairs"] + 1 == 24 * 23 // 2 + 1
    shutil.copytree(workdir / "checkpoints", tmp_path / "run" / "checkpoints")
    few = tmp_path / "few.csv"
    few.write_text("\n".join(lines[:1] + lines[5:25]) + "\n")
    again = evaluate(str(tmp_path / "run"), pairs=str(few))
    assert again["pairs"] == 20 and (tmp_path / "run" / "pairs.csv").read_text() == few.read_text()
    with open(workdir / "scores.csv", newline="") as file:
        predicted = {row["id"]: float(row["predicted"]) for row in csv.DictReader(file)}
    right = [predicted[high] > predicted[low] for high, low in (line.split(",") for line in lines[5:25])]
    assert again["pair_accuracy"]["value"] == pytest.approx(np.mean(right))
    assert again["spearman"]["value"] == metrics["spearman"]["value"]
    few.write_text("id_high,id_low\n" + lines[1] + "\ngone,test/00001\n")
    with pytest.raises(ValueError, match="line 3: the id 'gone'.*24 evaluated pictures.*1 ids"):
        evaluate(str(tmp_path / "run"), pairs=str(few))


def test_contributions_of_real_pictures_sum_to_score_minus_bias(trained):
    model, variables, config, _, _ = load_ranker(str(trained[0]))
    pictures = open_pictures(config)["test"]
    scores, contributions, virality = predict(model, variables, pictures, batch_size=16)
    assert contributions.shape == virality.shape == (24, 4, 4)
    np.testing.assert_allclose(contributions.sum((1, 2)), scores - variables["params"]["head"]["bias"][0], atol=1e-4)
    assert np.ptp(scores) > 0.1


def test_scores_do_not_depend_on_the_batch_size(trained):
    model, variables, config, _, _ = load_ranker(str(trained[0]))
    pictures = open_pictures(config)["test"].subset(range(7))
    one = predict(model, variables, pictures, batch_size=3)  # On one device,
    other = predict(model, variables, pictures, batch_size=16)  # on two, and filled up.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), one, other)


def test_eta_distribution_adds_up(evaluated, trained):
    _, metrics = evaluated
    _, variables, _, _, _ = load_ranker(str(trained[0]))
    eta = metrics["eta"]
    assert eta["cells"] == 16 and sum(eta["histogram"]["channels"]) == 672
    learned = variables["params"]["pooling"]["eta"]
    assert eta["share"]["50"] == pytest.approx(np.median(1 / (1 + np.exp(-learned))), rel=1e-5)
    for quantile, share in eta["share"].items():
        assert eta["support_size"][quantile] == pytest.approx(1 + share * 15, rel=1e-5)
    assert eta["share"]["5"] < eta["share"]["95"]


def test_localization_measures_have_the_mask_to_compare_with(evaluated):
    _, metrics = evaluated
    contribution = metrics["localization"]["contribution_map"]
    assert 0 < contribution["area"] < 0.3 and 0 <= contribution["energy_inside"] <= 1
    assert contribution["ratio"] == pytest.approx(contribution["energy_inside"] / contribution["area"])
    assert 0 < contribution["pictures"] < 24


def test_every_kind_of_map_is_measured_against_the_masks(evaluated):
    _, metrics = evaluated
    assert sorted(metrics["localization"]) == ["contribution_map", "virality_map"]
    for measures in metrics["localization"].values():
        assert measures["energy"]["value"] == pytest.approx(measures["energy_inside"])
        for name in ("energy", "pointing", "pxap", "max_box_acc_v2"):
            assert 0 <= measures[name]["low"] <= measures[name]["value"] <= measures[name]["high"] <= 1


def test_the_further_measures_of_the_order_and_of_the_probability(evaluated):
    _, metrics = evaluated
    assert metrics["auc"]["low"] <= metrics["auc"]["value"] <= metrics["auc"]["high"]
    assert 0 < metrics["ndcg@10"]["value"] <= 1 and "ndcg@100" not in metrics  # 24 pictures.
    assert sum(part["pairs"] for part in metrics["accuracy_by_gap"]) == metrics["pairs"]
    assert sum(part["pairs"] for part in metrics["calibration"]["bins"]) == metrics["pairs"]
    assert len(metrics["fingerprint"]) == 64 and "accuracy_by_group" not in metrics


def test_the_printed_table_says_what_and_where(evaluated):
    workdir, metrics = evaluated
    text = tables.table(metrics, workdir)
    accuracy = f"{metrics['pair_accuracy']['value']:.3f}"
    for expected in (
        "planted test",
        "24 pictures",
        accuracy,
        "support N",
        "maps.png",
        "pair AUC",
        "calibration",
        "PxAP",
        "accuracy by gap",
    ):
        assert expected in text


def test_errors_name_what_is_missing(trained, tmp_path):
    with pytest.raises(ValueError, match="no checkpoint in"):
        evaluate(str(tmp_path))
    with pytest.raises(ValueError, match="no dataset 'planted'"):
        evaluate(str(trained[0]), data_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_pooling_without_exact_weights_has_no_contribution_map(planted_dir, tiny_trunks, tmp_path):
    config = tiny_trunk.get_config()
    config.data.dir, config.pooling, config.steps = str(planted_dir), "lse", 2
    train(config, str(tmp_path))
    metrics = evaluate(str(tmp_path))
    assert sorted(metrics["localization"]) == ["virality_map"]
    assert (tmp_path / "maps.png").exists()


@pytest.fixture(scope="module")
def fused(mapped_dir, tmp_path_factory, tiny_trunks):
    """A short run that uses the objectness map as an additional feature map."""
    config = tiny_trunk.get_config()
    config.data.dir, config.fusion, config.steps, config.eval_every = str(mapped_dir), "concat", 4, 4
    workdir = tmp_path_factory.mktemp("fused")
    train(config, str(workdir))
    return workdir


def test_a_run_with_objectness_is_evaluated_and_its_maps_add_up(fused):
    metrics = evaluate(str(fused), check_maps=1)
    assert metrics["fusion"] == "concat" and sum(metrics["eta"]["histogram"]["channels"]) == 13
    assert metrics["map_checks"]["pictures"] == 1 and "contribution_map" in metrics["localization"]
    assert re.search("objectness +concat", tables.table(metrics, str(fused)))
    model, variables, config, _, _ = load_ranker(str(fused))
    pictures = open_pictures(config)["test"]
    scores, contributions, _ = predict(model, variables, pictures, batch_size=16)
    np.testing.assert_allclose(contributions.sum((1, 2)), scores - variables["params"]["head"]["bias"][0], atol=1e-4)
    few = pictures.subset([5, 2])
    np.testing.assert_allclose(predict(model, variables, few, batch_size=16)[0], scores[[5, 2]], atol=1e-5)
    write_report(str(fused))
    page = (fused / "report.html").read_text()
    assert "objectness maps fused by concat" in page and "of the 13 channels" in page and "Map of " in page
    config.fusion = "none"
    with pytest.raises(ValueError, match="without objectness maps"):
        predict(model, variables, open_pictures(config)["test"])


def test_a_checkpoint_of_before_a_key_has_its_default(trained, monkeypatch):
    expected = load_ranker(str(trained[0]))
    restore = checkpoints.ocp.CheckpointManager.restore

    def without_the_key(manager, step, args):
        restored = restore(manager, step, args=args)
        if "run" in restored.keys():
            del restored["run"]["config"]["fusion"], restored["run"]["config"]["pairs"]["across_groups"]
        return restored

    monkeypatch.setattr(checkpoints.ocp.CheckpointManager, "restore", without_the_key)
    model, variables, config, data, step = load_ranker(str(trained[0]))
    assert config.fusion == model.fusion == "none" and config.to_dict() == expected[2].to_dict()
