"""The built `planted`: byte-identical for a seed, readable without its code, consistent."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep import command
from data_prep.planted import Builder, score
from data_prep.planted.scene import SPLITS

BUILD = """
import sys
from data_prep.planted import Builder
Builder(data_dir=sys.argv[1], seed=int(sys.argv[2]), train=12, validation=4, test=4).download_and_prepare()
"""


def _build_in_a_process(data_dir, seed, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-c", BUILD, str(data_dir), str(seed)], check=True, env=environment)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (data_dir / "planted" / "1.0.0").iterdir()
    }


def test_same_seed_same_bytes_in_any_process(tmp_path):
    first = _build_in_a_process(tmp_path / "a", seed=3, hash_seed="1")
    again = _build_in_a_process(tmp_path / "b", seed=3, hash_seed="2")
    other = _build_in_a_process(tmp_path / "c", seed=4, hash_seed="1")
    assert first == again
    records = [name for name in first if "array_record" in name]
    assert len(records) == 3
    assert all(first[name] != other[name] for name in records)


def test_readable_without_the_builder_s_code(planted_dir, tmp_path):
    script = """
import sys
sys.modules["data_prep"] = None
import tensorflow_datasets as tfds
for builder in (
    tfds.builder("planted", data_dir=sys.argv[1]),
    tfds.builder_from_directory(sys.argv[1] + "/planted/1.0.0"),
):
    print(len(builder.as_data_source("train")), builder.as_data_source("test")[0]["image"].shape)
"""
    command = [sys.executable, "-c", script, str(planted_dir)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == ["40 (128, 128, 3)"] * 2


def test_records_have_the_promised_features(planted):
    for split in SPLITS:
        for number, record in enumerate(planted[split]):
            assert record["id"].decode() == f"{split}/{number:05d}"
            assert record["group"] == b""
            assert record["image"].shape == (128, 128, 3) and record["image"].dtype == np.uint8
            assert record["mask"].shape == (128, 128, 1)
            assert set(np.unique(record["mask"])) <= {0, 255}


def test_signal_boxes_mask_and_veil_share_agree(planted):
    for record in planted["test"]:
        boxes = record["boxes"]
        kinds = [score.KINDS[kind] for kind in boxes["kind"]]
        effects = [score.EFFECTS[kind] for kind in kinds]
        np.testing.assert_allclose(boxes["effect"], effects, rtol=1e-6)
        veil_share = (sum(effects) - record["signal"]) / score.VEIL_EFFECT
        assert veil_share == pytest.approx(record["veil_share"], abs=1e-6)
        assert 0.1 - 1e-6 <= veil_share <= 0.9 + 1e-6
        inside = np.zeros((128, 128), bool)
        for (top, left, bottom, right), effect in zip(boxes["bbox"], effects, strict=True):
            if effect > 0:
                inside[round(128 * top) : round(128 * bottom), round(128 * left) : round(128 * right)] = True
        mask = record["mask"][..., 0] > 0
        assert not np.any(mask & ~inside)
        assert mask.any() == inside.any()


def test_the_true_signal_orders_95_percent_of_the_pairs(planted):
    signals = np.array([record["signal"] for record in planted["test"]])
    scores = np.array([record["score"] for record in planted["test"]])
    left, right = np.triu_indices(len(scores), k=1)
    accuracy = np.mean((signals[left] > signals[right]) == (scores[left] > scores[right]))
    assert 0.94 <= accuracy <= 0.96


def test_veil_can_be_seen_in_the_picture(planted):
    # Haze lifts the darkest of a pixel's three colours; one average over the picture tells most of the share.
    lifted = [record["image"].min(axis=-1).mean() for record in planted["test"]]
    shares = [record["veil_share"] for record in planted["test"]]
    assert np.corrcoef(lifted, shares)[0, 1] > 0.7


def test_no_picture_is_in_two_splits(planted):
    digests = [hashlib.sha256(record["image"].tobytes()).digest() for split in SPLITS for record in planted[split]]
    assert len(set(digests)) == len(digests) == 460


def test_report_counts_what_is_there(planted_dir, planted):
    report = json.loads((planted_dir / "planted" / "1.0.0" / "build_report.json").read_text())
    assert report["seed"] == 0
    assert report["counts"] == {split: len(planted[split]) for split in SPLITS}


def test_another_design_lies_beside_it(planted_dir, tmp_path, capsys):
    sizes = ["--train=3", "--validation=2", "--test=2"]
    assert command.main(["build", "planted", "--design=mixed", f"--data_dir={tmp_path}", *sizes]) == 0
    assert "--config.data.name=planted/mixed" in capsys.readouterr().out
    assert command.main(["list", f"--data_dir={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  planted/mixed/1.0.0"
    record = tfds.builder("planted/mixed", data_dir=tmp_path).as_data_source("train")[0]
    strongest = max(record["boxes"]["effect"])
    assert record["signal"] == pytest.approx(strongest - record["veil_share"], abs=1e-6)


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="config: got 'none', expected one of sum, spot, whole, mixed"):
        Builder(data_dir=tmp_path, config="none")
    with pytest.raises(ValueError, match="seed: got -1"):
        Builder(data_dir=tmp_path, seed=-1)
    with pytest.raises(ValueError, match="test: got 1 pictures, expected at least 2"):
        Builder(data_dir=tmp_path, test=1)
