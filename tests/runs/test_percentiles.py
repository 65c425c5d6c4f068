"""Percentiles among the training pictures' predicted scores, and what is kept of them."""

import json
import shutil

import numpy as np
import pytest

from lena_jax.data.splits import open_pictures
from lena_jax.runs import percentiles
from lena_jax.runs.load import load_ranker
from lena_jax.runs.percentiles import LEVELS, TrainingScores


def by_counting(scores, score):
    """Percentile by its definition."""
    return 100 * (np.mean(scores < score) + np.mean(scores == score) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_shares_of_the_scores(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=3000) * 10 ** rng.uniform(-3, 3)
    known = TrainingScores.of(scores)
    for score in [*rng.choice(scores, 20), *rng.normal(size=20) * scores.std()]:
        assert known.percentile(score) == pytest.approx(by_counting(scores, score), abs=0.11)


def test_ends_and_equal_scores():
    known = TrainingScores.of(np.arange(11))
    assert [known.percentile(value) for value in (-5, 0, 2.5, 5, 10, 99)] == pytest.approx([0, 0, 25, 50, 100, 100])
    flat = TrainingScores.of(np.full(7, 2.0))
    assert [flat.percentile(value) for value in (1, 2, 3)] == [0, 50, 100]
    half = TrainingScores.of(np.repeat([1.0, 3.0], 500))
    assert half.percentile(1) == pytest.approx(25, abs=0.1) and half.percentile(3) == pytest.approx(75, abs=0.1)
    assert half.percentile(2) == pytest.approx(50, abs=0.1) and TrainingScores.of([4.0]).percentile(4) == 50


def test_they_rise_with_the_score():
    known = TrainingScores.of(np.random.default_rng(0).normal(size=50).round(1))
    values = [known.percentile(score) for score in np.linspace(-4, 4, 500)]
    assert values == sorted(values) and values[0] == 0 and values[-1] == 100


def test_json_and_back():
    known = TrainingScores.of(np.random.default_rng(0).normal(size=20))
    again = TrainingScores.from_json(json.loads(json.dumps(known.as_json())))
    assert again.pictures == 20 and again.quantiles.tobytes() == known.quantiles.tobytes()
    assert len(again.quantiles) == LEVELS


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {},
        {"pictures": 3, "quantiles": None},
        {"pictures": 1.5, "quantiles": [0.0] * LEVELS},
        {"pictures": 3, "quantiles": [float("nan")] * LEVELS},
    ],
)
def test_what_is_no_training_scores(stored):
    with pytest.raises(ValueError, match="got training scores"):
        TrainingScores.from_json(stored)


BAD = [{"pictures": 0}, {"pooled": []}, {"pooled": [[1.0]]}, {"pooled": [None]}, {"pooled": ["1"]}, {"pooled": 3}]
BAD += [{"pooled": [1e300]}, {"pooled": [float("nan")]}, {"pooled": [True]}]


def test_a_damaged_or_outdated_file_counts_as_none(tmp_path):
    written = percentiles.write(tmp_path, 8, "data", np.arange(5.0), np.arange(10.0).reshape(5, 2))
    read = percentiles.read(tmp_path, 8, "data")
    assert read.as_json() == written.as_json() and read.pooled.tolist() == [4, 5]
    assert percentiles.read(tmp_path, 9, "data") is None and percentiles.read(tmp_path, 8, "other") is None
    stored = json.loads((tmp_path / "training_scores.json").read_text())
    for content in ("", "[]", "{}", '{"step": 8}', *(json.dumps(stored | bad) for bad in BAD)):
        (tmp_path / "training_scores.json").write_text(content)
        assert percentiles.read(tmp_path, 8, "data") is None


def test_training_and_evaluation_write_them_and_what_is_there_is_kept(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    by_training = json.loads((tmp_path / "run/training_scores.json").read_text())
    assert by_training["pictures"] == 48
    loaded = load_ranker(str(tmp_path / "run"))
    train = open_pictures(loaded.config)["train"]
    kept = percentiles.ensure(str(tmp_path / "run"), loaded, train, predictor=None)
    assert kept.quantiles.tolist() == by_training["quantiles"]
    (tmp_path / "run/training_scores.json").unlink()
    predicted = percentiles.ensure(str(tmp_path / "run"), loaded, train)
    assert json.loads((tmp_path / "run/training_scores.json").read_text())["quantiles"] == predicted.quantiles.tolist()
    # Training scores them from the cached feature maps, which are rounded to float16.
    np.testing.assert_allclose(predicted.quantiles, by_training["quantiles"], atol=5e-3)
    assert predicted.pooled is None and "baseline" not in loaded.variables  # Its head has no equal spread.


def test_a_folder_that_cannot_be_written_only_costs_the_time(trained, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    shutil.copytree(trained[0], tmp_path / "run")
    (tmp_path / "run/training_scores.json").unlink()
    loaded = load_ranker(str(tmp_path / "run"))
    monkeypatch.setattr(percentiles, "write_whole", refuse)
    train = open_pictures(loaded.config)["train"]
    found = percentiles.ensure(str(tmp_path / "run"), loaded, train)
    assert found.pictures == 48 and not (tmp_path / "run/training_scores.json").exists()
