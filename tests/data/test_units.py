import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lena_jax.data.units import kept_together, split_evenly, take_share


def test_what_shares_any_key_is_one_set_also_by_way_of_others():
    content = ["a", "b", "b", "c", "d", "e"]
    author = ["x", "x", "y", "", "", "y"]
    assert kept_together(content, author).tolist() == [0, 0, 0, 1, 2, 0]
    assert kept_together(author).tolist() == [0, 0, 1, 2, 3, 1]
    assert kept_together([""] * 3).tolist() == [0, 1, 2]
    assert kept_together([]).tolist() == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=60), st.integers(2, 5), st.integers(0, 3))
def test_every_index_once_no_set_split_no_part_empty(keys, count, seed):
    sets = kept_together([str(key) for key in keys])
    if count > sets.max() + 1:
        with pytest.raises(ValueError, match=f"got {count}"):
            split_evenly(sets, count, np.random.default_rng(seed))
        return
    parts = split_evenly(sets, count, np.random.default_rng(seed))
    assert sorted(np.concatenate(parts)) == list(range(len(keys)))
    assert len(parts) == count and all(len(part) for part in parts)
    members = [set(sets[part]) for part in parts]
    assert sum(map(len, members)) == len(set().union(*members))
    # No part exceeds an even share by more than the largest set.
    assert max(map(len, parts)) <= -(-len(keys) // count) + np.bincount(sets).max()


def test_single_things_are_cut_into_equal_pieces_of_a_permutation():
    parts = split_evenly(np.arange(88), 5, np.random.default_rng(3))
    expected = np.array_split(np.random.default_rng(3).permutation(88), 5)
    for part, piece in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part, np.sort(piece))


def test_large_sets_are_spread_and_single_things_fill_up():
    sets = np.repeat(np.arange(20), [5, 4, 4, 3, *[1] * 16])
    assert sorted(len(part) for part in split_evenly(sets, 4, np.random.default_rng(0))) == [8, 8, 8, 8]
    assert sorted(len(part) for part in split_evenly([0] * 6 + [1, 2, 3, 4], 5, np.random.default_rng(0))) == [
        1,
        1,
        1,
        1,
        6,
    ]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"got \[1, 2\]"):
        kept_together(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="number of units .3, of 6 pictures"):
        split_evenly([0, 0, 1, 1, 2, 2], 4, np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.4, 0.5])
def test_a_share_is_as_large_as_asked_with_sets_whole(share):
    for sets in (np.arange(100), np.repeat(np.arange(50), 2), np.repeat(np.arange(20), [5, 4, 4, 3, *[1] * 16])):
        taken = take_share(sets, share, np.random.default_rng(0))
        assert abs(len(taken) - share * len(sets)) <= 1
        assert not set(sets[taken]) & set(np.delete(sets, taken))
        np.testing.assert_array_equal(taken, take_share(sets, share, np.random.default_rng(0)))


@pytest.mark.parametrize("sets, share", [([0] * 9, 0.5), (np.arange(10), 0.01), ([0] * 8 + [1], 0.99)])
def test_a_share_of_too_few_sets_is_refused(sets, share):
    with pytest.raises(ValueError, match="expected some but not all"):
        take_share(np.asarray(sets), share, np.random.default_rng(0))
