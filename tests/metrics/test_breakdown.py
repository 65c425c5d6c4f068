import numpy as np
import pytest

from lena_jax.metrics import accuracy_by_gap, accuracy_by_group, pair_accuracy, pairs_to_compare


def test_quartiles_of_the_gap_by_hand():
    scores = np.array([0.0, 1.0, 3.0, 7.0])
    predicted = np.array([1.0, 0.0, 3.0, 7.0])  # Wrong for the closest pair alone.
    pairs = np.array([[1, 0], [2, 1], [3, 2], [3, 0]])  # Gaps 1, 2, 4, 7.
    parts = accuracy_by_gap(predicted, scores, pairs)
    assert [(part["from"], part["to"], part["pairs"], part["value"]) for part in parts] == [
        (1, 1, 1, 0),
        (2, 2, 1, 1),
        (4, 4, 1, 1),
        (7, 7, 1, 1),
    ]


def test_parts_are_even_and_together_all_pairs():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=60)
    predicted = scores + rng.normal(size=60)
    pairs = pairs_to_compare(scores)
    parts = accuracy_by_gap(predicted, scores, pairs)
    sizes = [part["pairs"] for part in parts]
    assert max(sizes) - min(sizes) <= 1 and sum(sizes) == len(pairs)
    assert np.average([part["value"] for part in parts], weights=sizes) == pytest.approx(
        pair_accuracy(predicted, pairs)
    )
    assert parts[0]["value"] < parts[3]["value"] and parts[0]["to"] <= parts[1]["from"]


def test_equal_gaps_share_a_bin():
    parts = accuracy_by_gap(np.arange(4.0), np.array([0.0, 0, 1, 1]), np.array([[2, 0], [2, 1], [3, 0], [3, 1]]))
    assert parts == [{"from": 1, "to": 1, "pairs": 4, "value": 1}]


def test_groups_by_hand():
    pairs = np.array([[0, 1], [2, 3], [2, 4]])
    assert accuracy_by_group([2.0, 1, 5, 9, 5], pairs, ["b", "b", "a", "a", "a"]) == {
        "a": {"pairs": 2, "value": 0.25},
        "b": {"pairs": 1, "value": 1},
    }
