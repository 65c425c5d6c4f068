"""Soft labels and weights against closed forms, exact sums and limiting cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from data_prep.image_pairs import labels
from data_prep.image_scores.transforms import Prior


def binomial_tail(left, right):
    """P(p > 1/2) for whole votes: a fair coin thrown n + 1 times shows at most `left` heads."""
    n = left + right + 1
    return sum(special.comb(n, k, exact=True) for k in range(left + 1)) / 2**n


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_votes_are_the_tail_of_a_fair_coin(left, right):
    label = labels.of_votes([left], [right])[0]
    assert label == pytest.approx(binomial_tail(left, right), abs=1e-12)
    assert label + labels.of_votes([right], [left])[0] == pytest.approx(1, abs=1e-12)


def test_more_votes_are_surer_and_a_tie_says_nothing():
    label = labels.of_votes([1, 2, 10, 1000, 7, 0.5], [0, 0, 0, 0, 7, 0.5])
    assert (np.diff(label[:4]) > 0).all() and label[3] <= 1 and label[4] == label[5] == 0.5
    assert labels.information(label)[4] == 0


def exact_ahead(a, b, c, d):
    """P(Beta(a, b) > Beta(c, d)) for whole numbers, by the sum over i < a of the negative hypergeometric."""
    i = np.arange(a)
    return np.exp(special.betaln(c + i, b + d) - np.log(b + i) - special.betaln(1 + i, b) - special.betaln(c, d)).sum()


@given(st.integers(0, 40), st.integers(0, 200), st.integers(0, 40), st.integers(0, 200))
@settings(max_examples=50, deadline=None)
def test_clicks_are_the_exact_sum(left, left_rest, right, right_rest):
    # A uniform prior: rate 1/2, strength 2.
    got = labels.of_clicks([left], [left + left_rest], [right], [right + right_rest], Prior(0.5, 2.0))[0]
    expected = exact_ahead(left + 1, left_rest + 1, right + 1, right_rest + 1)
    assert got == pytest.approx(expected, abs=1e-5)
    mirrored = labels.of_clicks([right], [right + right_rest], [left], [left + left_rest], Prior(0.5, 2.0))[0]
    assert got + mirrored == pytest.approx(1, abs=1e-12)


def test_no_views_no_clicks_and_nothing_but_clicks():
    prior = Prior(0.1, 20.0)
    label = labels.of_clicks([0, 0, 500, 0], [0, 0, 500, 0], [0, 0, 0, 500], [0, 500, 500, 500], prior)
    assert label[0] == 0.5 and 0.5 < label[1] < 1 and label[2] > 0.999999 and label[3] < 1e-6
    assert np.isfinite(labels.of_clicks([0], [10], [1], [10], Prior(0.0, 5.0))).all()


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: labels.of_votes([-1], [0]), "got -1.0 at index 0"),
        (lambda: labels.of_votes([np.nan], [0]), "finite"),
        (lambda: labels.of_clicks([3], [2], [0], [1], Prior(0.5, 2.0)), "got 3 clicks and 2 views"),
        (lambda: labels.of_clicks([1], [2], [0], [1], Prior(0.5, 0.0)), "strength of the prior"),
        (lambda: labels.information([1.1]), "expected a number in"),
    ],
)
def test_what_cannot_be_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_information_is_the_entropy_that_is_gone():
    q = np.linspace(0.01, 0.99, 9)
    expected = 1 + q * np.log2(q) + (1 - q) * np.log2(1 - q)
    np.testing.assert_allclose(labels.information(q), expected, atol=1e-12)


def test_a_test_of_four_variants_counts_as_one_pair():
    weight = labels.once_per_test(np.ones(9), ["a"] * 6 + ["b", "", ""])
    assert weight[:6].sum() == pytest.approx(1) and weight[6:].tolist() == [1, 1, 1]
