import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lena_jax.metrics import pair_auc, shown_pair_auc
from lena_jax.metrics.pair_auc import prepare_pair_auc


def test_by_hand():
    # In both orders: 2, 1, -1 are "left ahead", -2, -1, 1 "right ahead". Of the nine comparisons 2 wins three, 1 wins
    # two and ties one, -1 wins one and ties one.
    assert pair_auc([2.0, 1.0, -1.0]) == pytest.approx((3 + 2.5 + 1.5) / 9)
    assert pair_auc([1.0, 3.0]) == 1 and pair_auc([-1.0]) == 0 and pair_auc([0.0, 0.0]) == 0.5
    assert np.isnan(pair_auc([]))
    assert np.isnan(pair_auc([1.0], [0.0]))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 4)), min_size=1, max_size=40))
def test_is_scikit_learns_with_every_pair_in_both_orders(examples):
    difference, weight = np.array(examples, np.float64).T
    expected = roc_auc_score(
        np.repeat([1, 0], len(difference)), np.concatenate([difference, -difference]), sample_weight=np.tile(weight, 2)
    )
    assert pair_auc(difference, weight) == pytest.approx(expected)
    assert pair_auc(-difference, weight) == pytest.approx(1 - expected)


def test_joined_levels_move_it_little():
    rng = np.random.default_rng(0)
    difference, weight = rng.normal(0.5, 1, 3000), rng.integers(0, 3, 3000)
    assert prepare_pair_auc(difference, 200)(weight) == pytest.approx(pair_auc(difference, weight), abs=1 / 200)
    assert prepare_pair_auc(difference, 3000)(weight) == pair_auc(difference, weight)


def test_pairs_as_they_were_shown():
    rng = np.random.default_rng(1)
    predicted, pairs = rng.integers(0, 4, 30), rng.integers(0, 30, (50, 2))
    label = rng.integers(0, 2, 50)
    assert shown_pair_auc(predicted, pairs, label) == pytest.approx(
        roc_auc_score(label, predicted[pairs[:, 0]] - predicted[pairs[:, 1]])
    )
    # Shown the other way round, with the other label, nothing changes.
    assert shown_pair_auc(predicted, pairs[:, ::-1], 1 - label) == pytest.approx(
        shown_pair_auc(predicted, pairs, label)
    )
    assert np.isnan(shown_pair_auc(predicted, pairs, np.ones(50)))
    with pytest.raises(ValueError, match="got 0.5"):
        shown_pair_auc(predicted, pairs, np.full(50, 0.5))
