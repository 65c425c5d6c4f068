"""The comparison of backbones, on the small `planted` with tiny backbones."""

import os

import numpy as np
import pytest
import tiny_trunk

from lena_jax.runs import folder
from lena_jax.studies import backbones


@pytest.fixture(scope="module")
def study(planted_dir, tiny_trunks):
    config = tiny_trunk.get_config()
    config.backbone.frozen = True
    config.data.dir = str(planted_dir)
    config.steps, config.eval_every, config.log_every = 8, 4, 4
    return backbones.Study(config, ("tiny", "tiny_norm:second"), seeds=2)


ACCURACIES = {"tiny": (0.5, 0.75), "tiny_norm": (0.25, 0.5)}


def evaluated(config, path):
    """Leave the files of a run instead of training it: test_poolings.py covers that."""
    os.makedirs(path)
    folder.write_config(path, config)
    accuracy = {"value": ACCURACIES[config.backbone.name][config.seed]}
    folder.write_metrics(path, {"pair_accuracy": accuracy, "spearman": accuracy})
    folder.write_json(os.path.join(path, folder.TIMING), {"seconds": 4.0 + config.seed})


def test_the_table_has_accuracy_time_and_memory(study, tmp_path, monkeypatch):
    monkeypatch.setattr("lena_jax.studies.study.run_one", evaluated)
    rows = backbones.run(study, str(tmp_path))
    assert [row["backbone"] for row in rows] == ["tiny", "tiny_norm:second"]
    for row, accuracies in zip(rows, ACCURACIES.values(), strict=True):
        assert row["mean"]["pair_accuracy"]["value"] == pytest.approx(np.mean(accuracies))
        costs = row["costs"]
        assert costs["cells"] == 64 and costs["channels"] == 12 and costs["cached"] == 2 * 64 * 12
        assert costs["seconds"] > 0 and row["runs"] == 2 and row["seconds"] == 4.5
    assert [config.backbone.endpoint for config in study.configs().values()] == ["", "", "second", "second"]
    # 3x3 kernels and biases of two convolutions; two pairs of scale and bias.
    parameters = 9 * 3 * 8 + 8 + 9 * 8 * 12 + 12
    assert [row["costs"]["parameters"] for row in rows] == [parameters, parameters + 2 * (8 + 12)]
    table = (tmp_path / "table.md").read_text()
    assert table.count("\n") == 4 and "| `tiny_norm:second` | 0.375 " in table and "64 x 12" in table
    monkeypatch.setattr("lena_jax.studies.study.run_one", None)  # Finished runs are not repeated.
    assert backbones.run(study, str(tmp_path))[0]["mean"] == rows[0]["mean"]
    assert sorted(os.listdir(tmp_path / "cells")) == ["tiny", "tiny_norm_second"]


def test_a_backbone_may_have_an_endpoint_and_a_source():
    assert backbones.parse_backbone("convnext_tiny") == ("convnext_tiny", "", "")
    assert backbones.parse_backbone("dinov2_small:multilevel@a/b@c.pth") == ("dinov2_small", "multilevel", "a/b@c.pth")
    with pytest.raises(ValueError, match="got endpoint 'norm_class' of the backbone 'siglip2_base', expected one of"):
        backbones.parse_backbone("siglip2_base:norm_class")
    with pytest.raises(ValueError, match="did you mean 'dinov2_small'"):
        backbones.parse_backbone("dinov2-small")


def test_a_backbone_is_compared_once(study):
    with pytest.raises(ValueError, match="each only once, got tiny,tiny"):
        backbones.Study(study.config, ("tiny", "tiny"), seeds=2)
