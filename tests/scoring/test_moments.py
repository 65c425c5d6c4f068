import numpy as np
import pytest

from lena_jax.scoring.clips import best_moments, clock


@pytest.mark.parametrize(
    "scores, most, expected",
    [
        ([1, 5, 4, 3, 6, 2], 8, [4, 1]),
        ([1, 5, 4, 3, 6, 2], 1, [4]),
        ([3], 8, [0]),
        ([2, 2, 2, 2, 2], 8, [0, 2, 4]),
        ([1, 2, 3], 8, [2]),
        ([3, 2, 1], 8, [0]),
        ([9, 1, 9], 8, [0, 2]),
    ],
)
def test_peaks_far_enough_apart_the_highest_first(scores, most, expected):
    assert best_moments(np.float32(scores), most).tolist() == expected


def test_no_moments_cannot_be_asked_for():
    with pytest.raises(ValueError, match="got most=0, expected at least 1"):
        best_moments([1.0], 0)


def test_of_long_clips_moments_are_a_twentieth_apart():
    scores = np.random.default_rng(0).normal(size=400)
    chosen = best_moments(scores, 8)
    assert len(chosen) == 8 and chosen[0] == scores.argmax() and np.diff(np.sort(chosen)).min() >= 20
    assert (np.diff(scores[chosen]) <= 0).all()


@pytest.mark.parametrize("scores", [[], [np.nan], [[1.0]]])
def test_what_is_no_row_of_scores_is_refused(scores):
    with pytest.raises(ValueError, match="finite numbers"):
        best_moments(scores, 8)


def test_clock():
    assert [clock(one) for one in (0, 9.96, 59.97, 61.25, 3600)] == ["0:00.0", "0:10.0", "1:00.0", "1:01.2", "60:00.0"]
