"""Scores of new pictures: equal to the evaluation for every kind of input, in order, in bounded memory, or an error."""

import contextlib
import io
import os
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from scipy.special import expit
from scored_run import KINDS, encode, evaluated_scores, rotated, scene

from lena_jax.data import picture_decoding
from lena_jax.runs.percentiles import NoPercentiles
from lena_jax.scoring import Scorer, preparation
from lena_jax.scoring import scorer as scorer_module

CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def files(run):
    """Paths of the test pictures, and the scores that the evaluation gave them."""
    scores = evaluated_scores(run)
    assert len(scores) == len(KINDS) and np.ptp(list(scores.values())) > 0.3
    return [run.parent / "photos" / name for name in scores], list(scores.values())


def scores_of(scorer, items):
    results = list(scorer.score(items))
    assert [one.error for one in results] == [None] * len(results)
    return [one.score for one in results]


def test_paths_have_the_scores_of_the_evaluation(scorer, files):
    paths, expected = files
    np.testing.assert_allclose(scores_of(scorer, paths), expected, **CLOSE)
    np.testing.assert_allclose(scores_of(scorer, map(str, paths)), expected, **CLOSE)


def test_bytes_have_the_scores_of_the_evaluation(scorer, files):
    paths, expected = files
    np.testing.assert_allclose(scores_of(scorer, [path.read_bytes() for path in paths]), expected, **CLOSE)


def test_opened_pictures_have_the_scores_of_the_evaluation_and_may_be_closed(scorer, files):
    paths, expected = files

    def opened():
        for path in paths:
            with Image.open(path) as picture:
                yield picture

    results = list(scorer.score(opened()))
    np.testing.assert_allclose([one.score for one in results], expected, **CLOSE)
    assert [one.name for one in results] == list(map(str, paths))


def test_arrays_have_the_scores_of_the_evaluation_and_may_be_reused(scorer, files, run):
    paths, expected = files
    builder = tfds.builder_from_directory(next((run.parent / "data/image_scores/photos").glob("*.*.*")))
    stored = {record["id"].decode(): record["image"] for record in builder.as_data_source("test")}

    def arrays():
        for path in paths:
            array = stored[path.name].copy()
            yield array
            array[:] = 0

    np.testing.assert_allclose(scores_of(scorer, arrays()), expected, **CLOSE)


@pytest.mark.parametrize(
    "orientation, turn",
    [
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_a_rotated_picture_is_scored_upright(scorer, orientation, turn):
    array = np.asarray(scene(5))
    by_hand = np.ascontiguousarray(turn(array))
    file = encode(Image.fromarray(array), "PNG", exif=rotated(orientation))
    as_stored = encode(Image.fromarray(array), "PNG")
    turned, expected, lying = scores_of(scorer, [file, by_hand, as_stored])
    assert turned == pytest.approx(expected, abs=1e-5) and abs(turned - lying) > 1e-3


def test_one_picture_and_none(scorer, files):
    paths, expected = files
    for one in (paths[0], str(paths[0]), paths[0].read_bytes()):
        (result,) = scorer.score(one)
        assert result.score == pytest.approx(expected[0], abs=1e-5)
    (result,) = scorer.score(np.asarray(scene(1)))
    assert result.name == "#0" and result.error is None
    assert list(scorer.score([])) == []


def test_bad_pictures_are_named_and_the_rest_is_scored_in_order(scorer, files, tmp_path):
    paths, expected = files
    (tmp_path / "notes.jpg").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    bad = {
        b"": "does not decode",
        tmp_path: "is a folder",
        tmp_path / "gone.jpg": "no such file",
        tmp_path / "notes.jpg": "expected JPEG",
        tmp_path / "pipe.png": "device or pipe",
        "a\0.png": "cannot be read",
        3.5: "got float, expected a path",
    }
    items = [item for pair in zip(paths, bad, strict=False) for item in pair]
    items += [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), paths[0]]
    results = list(scorer.score(items))
    assert len(results) == len(items)
    for one, reason in zip(results[1::2][:7], bad.values(), strict=True):
        assert reason in one.error and one.score is None and one.percentile is None
    np.testing.assert_allclose([one.score for one in results[0:14:2]], expected[:7], **CLOSE)
    assert all("[H, W, 3] uint8" in one.error for one in results[14:17])
    assert results[17].score == pytest.approx(expected[0], abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 8, 9, 31, 32, 33, 70])
def test_every_number_of_pictures_gives_as_many_scores_in_order(scorer, count):
    arrays = [np.asarray(scene(seed % 7)) for seed in range(count)]
    alone = [scores_of(scorer, [array])[0] for array in arrays[:7]]
    np.testing.assert_allclose(scores_of(scorer, arrays), [alone[seed % 7] for seed in range(count)], **CLOSE)


def test_no_more_is_taken_than_needed_ahead(scorer):
    good, taken = np.asarray(scene(1)), 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield good if taken % 3 else b"bad"

    stream, most = scorer.score(endless()), 0
    for number in range(400):
        one = next(stream)
        assert one.name == f"#{number}" and (one.error is None) == bool((number + 1) % 3)
        most = max(most, taken - number)
    # Two groups of 32 usable pictures, a third more with the bad ones among them, and what is decoded ahead.
    assert most <= scorer_module.AHEAD + 2 * 48 + 1
    stream.close()
    assert threading.active_count() < 20


def test_nothing_but_bad_pictures_is_bounded_too(scorer):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield b"bad"

    stream = scorer.score(endless())
    assert all(next(stream).error for _ in range(300)) and taken < 300 + scorer_module.AHEAD + 2 * 4 * 32
    stream.close()


def test_an_error_of_the_iterable_comes_behind_the_pictures_before_it(scorer):
    def failing():
        yield np.asarray(scene(1))
        yield b""
        raise OSError("the disk is gone")

    stream = scorer.score(failing())
    assert next(stream).error is None and next(stream).error
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_decoding_runs_ahead_in_threads(scorer, monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=20)
    whole = preparation.opened_picture

    @contextlib.contextmanager
    def watched(picture):
        nonlocal at_once, most
        with lock:
            at_once, most = at_once + 1, max(most, at_once + 1)
        both.wait()
        with lock:
            at_once -= 1
        with whole(picture) as opened:
            yield opened

    monkeypatch.setattr(preparation, "opened_picture", watched)
    monkeypatch.setattr(scorer_module, "cores", lambda: 2)
    assert len(scores_of(scorer, [encode(scene(seed), "PNG") for seed in range(8)])) == 8 and most == 2


def test_cores_are_known_where_the_system_does_not_say_which_may_be_used(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert scorer_module.cores() == 6


def test_a_decompression_bomb_is_refused_by_its_header(scorer, monkeypatch):
    monkeypatch.setattr(picture_decoding, "MAX_PIXELS", 5000)
    results = list(scorer.score([scene(1, (60, 60)), scene(1, (100, 60))]))
    assert ["100x60" in (one.error or "") for one in results] == [False, True]


def test_explanation_sums_to_the_score(scorer, files, run):
    paths, expected = files
    one = scorer.explain(paths[0])
    assert one.exact and one.score == pytest.approx(expected[0], abs=1e-5) and one.name == str(paths[0])
    bias = float(scorer._variables["params"]["head"]["bias"][0])
    assert one.map.shape == (8, 8) and one.map.sum() == pytest.approx(one.score - bias, abs=1e-4)
    with Image.open(paths[0]) as picture:
        assert one.picture.shape[:2] == (picture.height, picture.width)
    assert len(one.boxes) and (one.boxes[:, 2:] > one.boxes[:, :2]).all() and (one.boxes >= 0).all()
    assert (one.boxes[:, 2:] <= one.picture.shape[:2]).all()
    with pytest.raises(ValueError, match="no such file"):
        scorer.explain("gone.jpg")


def test_scores_with_maps_are_those_of_one_by_one(scorer, files, tmp_path):
    paths, expected = files
    (tmp_path / "bad.png").write_bytes(b"none")
    given = [*paths[:2], tmp_path / "bad.png", *paths[2:]]
    found = list(scorer.score_with_maps(given, lambda picture: picture.size))
    assert [result.name for result, _, _ in found] == list(map(str, given))
    result, signed, seen = found.pop(2)
    assert signed is None and seen is None and "does not decode" in result.error
    np.testing.assert_allclose([result.score for result, _, _ in found], expected, **CLOSE)
    for path, (result, signed, seen) in zip(paths, found, strict=True):
        alone = scorer.explain(path)
        np.testing.assert_allclose(signed, alone.map, **CLOSE)
        assert seen == alone.picture.shape[1::-1]
        assert result.percentile == pytest.approx(alone.percentile, abs=1e-3)
    assert list(scorer.score_with_maps([], len)) == []


def test_boxes_of_a_large_picture_are_in_its_own_pixels(scorer):
    small, large = scene(3, (300, 200)), scene(3, (300, 200)).resize((1500, 1000), Image.Resampling.BICUBIC)
    boxes = [scorer.explain(np.asarray(one)).boxes for one in (small, large)]
    np.testing.assert_allclose(boxes[0][0] * 5, boxes[1][0], atol=25)
    assert boxes[1][0].max() > 300


def test_comparison_is_the_probability_and_its_maps_sum_to_the_difference(scorer, files):
    paths, expected = files
    pair = scorer.compare(paths[0], paths[-1])  # The highest and the lowest.
    assert pair.probability == pytest.approx(expit(expected[0] - expected[-1]), abs=1e-5) and pair.probability > 0.5
    assert pair.maps.sum() == pytest.approx(expected[0] - expected[-1], abs=1e-4)
    np.testing.assert_allclose(pair.maps[0], pair.left.map)
    np.testing.assert_allclose(pair.maps[1], -pair.right.map)
    assert scorer.compare(paths[-1], paths[0]).probability == pytest.approx(1 - pair.probability, abs=1e-6)


def test_percentiles_are_of_the_training_pictures(run, scorer, files):
    training = [path for path in sorted((run.parent / "photos").iterdir()) if path.name.startswith("train_")]
    fresh = Scorer.from_checkpoint(run)
    results = list(fresh.score(training))
    assert len(results) == len(KINDS)
    order = np.argsort([one.score for one in results])
    np.testing.assert_allclose(
        [results[index].percentile for index in order], 100 * np.arange(len(KINDS)) / (len(KINDS) - 1), atol=0.1
    )
    paths, _ = files
    assert [one.percentile for one in scorer.score(paths)] == [one.percentile for one in fresh.score(paths)]


def test_a_run_of_before_has_scores_and_one_warning_that_says_what_to_do(run, tmp_path, files):
    paths, expected = files
    shutil.copytree(run / "checkpoints", tmp_path / "run/checkpoints")
    with pytest.warns(NoPercentiles, match="no percentiles yet.*: python experiments/evaluate.py --workdir=") as caught:
        alone = Scorer.from_checkpoint(tmp_path / "run")
    results = list(alone.score(paths))
    assert len(caught) == 1 and {one.percentile for one in results} == {None}
    np.testing.assert_allclose([one.score for one in results], expected, **CLOSE)
    assert alone.explain(paths[0]).percentile is None and not (tmp_path / "run/training_scores.json").exists()


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint in"):
        Scorer.from_checkpoint(tmp_path)


def test_a_network_for_objectness_that_is_not_needed_is_refused(run):
    with pytest.raises(ValueError, match="for a model without objectness maps"):
        Scorer.from_checkpoint(run, objectness="u2netp.onnx")


def test_names_of_pictures(tmp_path):
    file = io.BytesIO(encode(scene(1), "PNG"))
    with Image.open(file) as picture:
        assert preparation.name_of(picture, 4) == "#4"
    assert preparation.name_of(tmp_path / "a", 4) == str(tmp_path / "a") and preparation.name_of(b"", 2) == "#2"


def test_bytes_of_any_kind_are_one_picture_and_what_is_none_is_refused(scorer):
    data = encode(scene(1), "PNG")
    pixels = np.asarray(scene(1))
    scores = [
        [one.score for one in scorer.score(given)]
        for given in (data, bytearray(data), memoryview(data), pixels, jnp.asarray(pixels))
    ]
    assert all(len(one) == 1 for one in scores) and scores == [scores[0]] * 5
    (grey,) = scorer.score(pixels[..., 0])
    assert "expected [H, W, 3] uint8" in grey.error
    for given in (io.BytesIO(data), None, 5):
        with pytest.raises(TypeError, match="expected a path, bytes, an array"):
            list(scorer.score(given))


def test_a_score_that_is_no_number_is_an_error_everywhere(scorer, photos):
    """Weights that are all finite and too large."""
    huge = jax.tree.map(lambda leaf: (np.sign(leaf) * 3e38).astype(leaf.dtype), scorer.variables)
    broken = Scorer(scorer.model, huge, scorer._scores)
    paths = sorted(photos.glob("test_photo*"))[:1] * 2 + [b"no picture"]
    with np.errstate(all="ignore"):
        for found in (list(broken.score(paths)), [one for one, *_ in broken.score_with_maps(paths, lambda _: None)]):
            assert [one.score for one in found] == [one.percentile for one in found] == [None] * 3
            assert all("the model gives it the score" in one.error for one in found[:2])
            assert "the model" not in found[2].error
        maps = [signed_map for _, signed_map, _ in broken.score_with_maps(paths, lambda _: None)]
        assert maps == [None] * 3
        for ask in (lambda: broken.explain(paths[0]), lambda: broken.compare(paths[0], paths[0])):
            with pytest.raises(ValueError, match="expected a finite number"):
                ask()
