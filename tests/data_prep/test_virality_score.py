"""The virality scores: the formula, its limits, and its agreement with all published scores."""

import doctest
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from data_prep import virality_score
from data_prep.virality_score import deza_parikh, google_plus

UIV = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "uiv"

COUNTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 500)), min_size=2, max_size=20)


def test_by_hand():
    # mean(n) = 4
    scores = deza_parikh([2.0, 3.0, 5.0], [1, 4, 7])
    np.testing.assert_allclose(scores, [2 * math.log(1 / 4), 0, 5 * math.log(7 / 4)], rtol=1e-15)
    # n = 1, 3, 8 with mean 4; mean(A) = 2
    scores = google_plus([2, 0, 4], [0, 2, 7])
    np.testing.assert_allclose(scores, [math.log(1 / 4), 0, 2 * math.log(8 / 4)], rtol=1e-15)


def test_examples_in_the_docstrings():
    assert doctest.testmod(virality_score).failed == 0


@pytest.mark.skipif(not UIV.is_dir(), reason="the published annotations are not here")
def test_reproduces_every_published_score():
    records = scipy.io.loadmat(UIV / "viral_datasetV2.mat", simplify_cells=True)["viral_dataset"]
    column = {name: np.array([record[name] for record in records]) for name in records[0]}
    assert len(records) == 10_078
    scores = deza_parikh(column["max_a_score"], column["submissions"])
    assert np.abs(scores - column["v_score"]).max() < 1e-12
    # Part of the dataset, with the mean of the whole.
    part = deza_parikh(
        column["max_a_score"][:9], column["submissions"][:9], mean_submissions=column["submissions"].mean()
    )
    np.testing.assert_array_equal(part, scores[:9])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32])
def test_small_integers_do_not_wrap_around(dtype):
    expected = 200 * math.log(250 / 225)
    assert deza_parikh(np.array([1, 200], dtype), np.array([200, 250], dtype))[1] == pytest.approx(expected)
    assert google_plus(np.array([255, 255], dtype), np.array([255, 253], dtype))[0] == pytest.approx(
        math.log(256 / 255)
    )


def test_one_submission_is_the_lowest():
    scores = deza_parikh([3, 3, 3], [1, 2, 9])
    assert scores.argmin() == 0 and scores[0] == pytest.approx(-3 * math.log(4))
    assert deza_parikh([3], [1]).tolist() == [0]


def test_negative_likes_count_as_none():
    assert deza_parikh([-5, 5], [1, 3]).tolist()[0] == 0
    assert not np.signbit(google_plus([0, 1], [3, 0])[0])


def test_all_equal_counts_give_zero():
    assert deza_parikh([1, 2, 3], [7, 7, 7]).tolist() == [0, 0, 0]
    assert google_plus([1, 2, 3], [0, 0, 0]).tolist() == [0, 0, 0]
    assert google_plus([0, 0], [0, 5]).tolist() == [0, 0]


def test_nothing_in_nothing_out():
    assert deza_parikh([], []).shape == google_plus([], []).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: deza_parikh([1], [0]), "submissions: got 0, expected at least 1"),
        (lambda: deza_parikh([1, 2], [1]), r"best_likes \(2,\), submissions \(1,\)"),
        (lambda: deza_parikh(1, 1), "expected vectors"),
        (lambda: deza_parikh([np.nan], [1]), "best_likes: got nan at index 0"),
        (lambda: deza_parikh([1], [np.inf]), "submissions: got inf"),
        (lambda: deza_parikh([1], [1], mean_submissions=0), "mean_submissions: got 0"),
        (lambda: google_plus([-1], [0]), "plusoners: got -1, expected at least 0"),
        (lambda: google_plus([1], [-1]), "resharers: got -1, expected at least 0"),
        (lambda: google_plus([1], [1], mean_plusoners=-1), "mean_plusoners: got -1"),
        (lambda: google_plus([1], [1], mean_resharers=np.nan), "mean_resharers: got nan"),
    ],
)
def test_bad_counts_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@given(COUNTS)
def test_sign_says_more_or_less_often_than_the_average(counts):
    likes, times = np.array(counts).T
    scores = deza_parikh(likes, times)
    mean = times.mean()
    assert np.isfinite(scores).all()
    assert (scores[(times > mean) & (likes > 0)] > 0).all()
    assert (scores[(times < mean) & (likes > 0)] < 0).all()


@given(COUNTS, st.floats(0.01, 100))
def test_scaling_the_likes_changes_no_order(counts, factor):
    likes, times = np.array(counts).T
    # The Google+ form is the other one divided by mean(A).
    ours = google_plus(likes, times - 1)
    if likes.any():
        np.testing.assert_allclose(ours * likes.mean(), deza_parikh(likes, times), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(google_plus(likes * factor, times - 1), ours, rtol=1e-9, atol=1e-9)
