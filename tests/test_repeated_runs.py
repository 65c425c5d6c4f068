import json

import pytest
from scipy import stats

from lena_jax import cross_validation, report

ACCURACIES = [0.7, 0.8, 0.6]


def test_means_and_intervals_over_folds(small_config, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(cross_validation, "train", lambda config, path: seen.append((config.data.fold, path)))
    monkeypatch.setattr(cross_validation, "evaluate", lambda path: {
        name: {"value": ACCURACIES[len(seen) - 1]} for name in cross_validation.MEASURES})
    results = cross_validation.run(small_config, str(tmp_path), 3)
    assert seen == [(fold, str(tmp_path / f"fold_{fold}")) for fold in range(3)]
    assert small_config.data.folds == 0  # The caller's config is left alone.
    interval = stats.t.interval(0.95, 2, 0.7, stats.sem(ACCURACIES))
    mean = results["mean"]["spearman"]
    assert (mean["value"], mean["low"], mean["high"]) == pytest.approx((0.7, *interval))
    assert json.loads((tmp_path / "metrics.json").read_text()) == results
    table = report.folds_table(results)
    assert "mean" in table and "0.800" in table and f"[{interval[0]:.3f},{interval[1]:.3f}]" in table
