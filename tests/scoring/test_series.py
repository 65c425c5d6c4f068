"""Series of shots: each picture in one series, the highest score first, like pictures together."""

import numpy as np
import pytest
from scored_run import scene

from lena_jax.scoring import series as series_module
from lena_jax.scoring.results import PictureScore
from lena_jax.scoring.series import ALIKE, series


class Given:
    """Yields given scores and features."""

    def __init__(self, scores, vectors):
        self._rows = list(zip(scores, vectors, strict=True))

    def score_with_features(self, pictures):
        for name, (score, vector) in zip(pictures, self._rows, strict=True):
            error = "damaged" if score is None else None
            yield PictureScore(name, score, None, error), None if score is None else np.array(vector, np.float32)


def test_the_highest_takes_what_looks_like_it():
    near = [1.0, 0.2]
    found, bad = series(Given([1.0, 3.0, None, 2.0, 0.5], [[1, 0], near, None, [0, 1], [2, 0]]), list("abcde"))
    assert [[one.name for one in each.shots] for each in found] == [["b", "a", "e"], ["d"]]
    assert [one.name for one in bad] == ["c"]
    assert found[0].likeness == pytest.approx([1, 1 / np.hypot(*near), 1 / np.hypot(*near)])


def test_every_picture_is_in_one_series_that_its_first_leads():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 6))[rng.integers(0, 3, 60)] + 0.2 * rng.normal(size=(60, 6))
    scores = rng.normal(size=60).round(1)
    found, _ = series(Given(scores, vectors), [str(number) for number in range(60)])
    names = [int(one.name) for each in found for one in each.shots]
    assert sorted(names) == list(range(60))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    firsts = [int(each.shots[0].name) for each in found]
    for each, first in zip(found, firsts, strict=True):
        assert [one.score for one in each.shots] == sorted((one.score for one in each.shots), reverse=True)
        cosines = units[[int(one.name) for one in each.shots]] @ units[first]
        assert (cosines >= ALIKE - 1e-6).all()
        np.testing.assert_allclose(each.likeness, cosines, atol=1e-5)
    # No series is led by a picture that an earlier leader looks like.
    assert np.triu(units[firsts] @ units[firsts].T, 1).max() < ALIKE


def test_no_pictures_and_features_of_zeros():
    assert series(Given([], []), []) == ([], [])
    found, _ = series(Given([1.0, 2.0], [[0, 0], [0, 0]]), ["a", "b"])
    assert [one.shots[0].name for one in found] == ["b", "a"]


def test_too_many_are_refused(monkeypatch):
    monkeypatch.setattr(series_module, "MOST", 1)
    with pytest.raises(ValueError, match="more than 1 pictures"):
        series(Given([1.0, 2.0], [[1], [1]]), ["a", "b"])


def test_features_come_with_the_scores_of_score(scorer):
    pictures = [scene(seed) for seed in range(3)]
    pairs = list(scorer.score_with_features([*pictures, b"no picture"]))
    assert [one.score for one, _ in pairs[:3]] == pytest.approx([one.score for one in scorer.score(pictures)], abs=1e-5)
    maps = list(scorer.feature_maps(pictures))
    for (_, vector), feature_map in zip(pairs, maps, strict=False):
        np.testing.assert_allclose(vector, np.asarray(feature_map, np.float32).mean((0, 1)), rtol=1e-4, atol=1e-5)
    assert pairs[3][0].error is not None and pairs[3][1] is None
