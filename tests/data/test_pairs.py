import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lena_jax.data.pairs import ComparablePairs, pairs_within

SCORES = st.lists(st.integers(-3, 3), min_size=0, max_size=12)


def brute_force(scores, groups, min_gap):
    return {
        (i, j)
        for i, j in itertools.permutations(range(len(scores)), 2)
        if groups[i] == groups[j] and scores[i] > scores[j] and scores[i] >= scores[j] + min_gap
    }


@settings(max_examples=200, deadline=None)
@given(SCORES, st.sampled_from([0.0, 0.5, 1.0, 2.0, 9.0]), st.randoms(use_true_random=False))
def test_every_comparable_pair_has_exactly_one_rank(scores, min_gap, random):
    groups = [random.choice("ab") for _ in scores]
    pairs = ComparablePairs(scores, groups, min_gap)
    listed = [tuple(pair) for pair in pairs.at(np.arange(len(pairs))).tolist()]
    assert len(listed) == len(set(listed))
    assert set(listed) == brute_force(scores, groups, min_gap)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-30, 30), min_size=2, max_size=8), st.integers(0, 20))
def test_a_batch_and_the_whole_agree_on_what_is_comparable(tenths, gap):
    scores = np.array(tenths) / 10  # Not exact in binary: 0.2 + 0.5 <= 0.7, but 0.7 - 0.2 < 0.5.
    pairs = ComparablePairs(scores, min_gap=gap / 10)
    whole = {tuple(sorted(pair)) for pair in pairs.at(np.arange(len(pairs))).tolist()}
    within, _, weight = pairs_within(scores, min_gap=gap / 10)
    assert whole == {tuple(pair) for pair in within[weight > 0].tolist()}


def test_draw_is_uniform_labels_fit_and_the_seed_decides():
    scores = np.array([0.0, 1.0, 1.0, 5.0])
    pairs = ComparablePairs(scores)
    drawn, label = pairs.draw(6000, np.random.default_rng(0))
    again, _ = pairs.draw(6000, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, again)
    np.testing.assert_array_equal(label, scores[drawn[:, 0]] > scores[drawn[:, 1]])
    assert 0.45 < label.mean() < 0.55
    _, counts = np.unique(np.sort(drawn, 1), axis=0, return_counts=True)
    assert len(counts) == len(pairs) == 5
    assert counts.min() > 1000 and counts.max() < 1400


def test_some_takes_all_or_as_many_different_ones_as_asked():
    pairs = ComparablePairs(np.arange(50.0))
    assert len(pairs.some(10_000)) == 50 * 49 // 2
    few = pairs.some(100, seed=3)
    assert len(np.unique(few, axis=0)) == 100
    np.testing.assert_array_equal(few, pairs.some(100, seed=3))


def test_a_hundred_thousand_pictures_need_no_list_of_pairs():
    scores = np.random.default_rng(0).normal(size=100_000)
    pairs = ComparablePairs(scores)
    assert len(pairs) == 100_000 * 99_999 // 2
    drawn, label = pairs.draw(1000, np.random.default_rng(0))
    np.testing.assert_array_equal(label, scores[drawn[:, 0]] > scores[drawn[:, 1]])


def test_pairs_within_weighs_and_labels():
    pairs, label, weight = pairs_within([1.0, 1.0, 3.0, 3.2], ["a", "a", "a", "b"], min_gap=0.5)
    assert pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert label.tolist() == [0.5, 0, 0, 0, 0, 0]
    assert weight.tolist() == [0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    "scores, groups, gap, message",
    [
        ([[1.0]], None, 0, r"got shape \(1, 1\)"),
        ([1.0, np.nan], None, 0, "nan at index 1"),
        ([1.0, 2.0], ["a"], 0, "got 1 and 2"),
        ([1.0, 2.0], None, -1, "got -1"),
    ],
)
def test_bad_arguments(scores, groups, gap, message):
    with pytest.raises(ValueError, match=message):
        ComparablePairs(scores, groups, gap)


def test_drawing_without_a_comparable_pair_is_an_error():
    with pytest.raises(ValueError, match="got 0 pairs"):
        ComparablePairs([1.0, 1.0]).draw(2, np.random.default_rng(0))
