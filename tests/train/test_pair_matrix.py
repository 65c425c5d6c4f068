"""The matrix of all pairs against lists of pairs, and its derivatives against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.data.dataset import ScoredPictures
from lena_jax.data.judged_pairs import JudgedPairs
from lena_jax.train import pair_matrix
from lena_jax.train.loss import pairwise_logistic_loss


def pictures(scores, groups=None, weights=None, pairs=None, judged=None):
    n = len(scores)
    return ScoredPictures(
        np.array([str(i) for i in range(n)]),
        np.asarray(scores, float),
        groups,
        None,
        np.arange(n),
        "",
        weights=weights,
        pairs=pairs,
        judged=judged,
    )


@pytest.fixture
def scored():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, 20).astype(float)  # With ties.
    return pictures(scores, rng.integers(0, 2, 20).astype(str), rng.uniform(0.5, 2, 20)), rng


@pytest.mark.parametrize("weighting", ["equal", "gap"])
def test_loss_equals_that_of_all_listed_pairs(scored, weighting):
    given, rng = scored
    predicted = rng.normal(size=20).astype(np.float32)
    left, right = np.triu_indices(20, 1)
    comparable = (given.groups[left] == given.groups[right]) & (
        np.abs(given.scores[left] - given.scores[right]) >= np.float64(2)
    )
    share = given.weights / given.weights.mean()
    weight = comparable * share[left] * share[right]
    if weighting == "gap":
        weight *= np.abs(given.scores[left] - given.scores[right]) / given.scores.std()
    label = (np.sign(given.scores[left] - given.scores[right]) + 1) / 2
    total, weights = pairwise_logistic_loss(predicted, np.stack([left, right], -1), label, weight)
    pairs = pair_matrix.pair_matrix(given, min_gap=2, weighting=weighting)
    np.testing.assert_allclose(pair_matrix.loss(predicted, pairs), total / weights, rtol=1e-5)
    right_order = np.sign(predicted[left] - predicted[right]) == np.sign(label - 0.5)
    np.testing.assert_allclose(
        pair_matrix.accuracy(predicted, pairs), (weight * right_order).sum() / weight.sum(), rtol=1e-5
    )


def test_given_pairs_count_as_often_as_they_are_given():
    given = pictures(np.zeros(3), pairs=np.array([[0, 1], [0, 1], [1, 0], [2, 1]]))
    pairs = pair_matrix.pair_matrix(given)
    np.testing.assert_allclose(pairs.weight[0, 1], 3 / 4)
    np.testing.assert_allclose(pairs.label[0, 1], 2 / 3)
    np.testing.assert_allclose(pairs.label[2, 1], 1)
    np.testing.assert_allclose(pairs.label + pairs.label.T, np.ones((3, 3)))


def test_derivatives_are_those_of_autodiff(scored):
    given, rng = scored
    pairs = pair_matrix.pair_matrix(given)
    predicted = jnp.asarray(rng.normal(size=20), jnp.float32)
    gradient, hessian = pair_matrix.derivatives(predicted, pairs)
    np.testing.assert_allclose(gradient, jax.grad(pair_matrix.loss)(predicted, pairs), atol=1e-6)
    np.testing.assert_allclose(hessian, jax.hessian(pair_matrix.loss)(predicted, pairs), atol=1e-6)
    np.testing.assert_allclose(hessian.sum(1), np.zeros(20), atol=1e-6)


def test_only_keeps_the_pairs_of_chosen_pictures(scored):
    given, _ = scored
    chosen = np.arange(20) < 12
    pairs = pair_matrix.only(pair_matrix.pair_matrix(given), chosen)
    assert not pairs.weight[~chosen].any() and not pairs.weight[:, ~chosen].any()
    np.testing.assert_allclose(pairs.weight.sum(), 2, rtol=1e-5)


def test_pictures_without_a_pair_are_refused():
    with pytest.raises(ValueError, match="no two of the 3 training pictures"):
        pair_matrix.pair_matrix(pictures(np.ones(3)))


def soft(pairs, label, weight):
    return pictures(np.zeros(4), pairs=np.array(pairs), judged=JudgedPairs(*map(np.array, (label, weight)), None))


def test_soft_labels_and_weights_are_those_of_the_listed_pairs():
    listed = [[0, 1], [2, 1], [3, 0], [0, 1]]
    label, weight = np.array([0.9, 0.75, 0.5, 0.6]), np.array([1.0, 0.5, 2.0, 3.0])
    pairs = pair_matrix.pair_matrix(soft(listed, label, weight))
    predicted = np.float32([0.3, -1.0, 0.4, 2.0])
    total, weights = pairwise_logistic_loss(predicted, np.array(listed), np.float32(label), np.float32(weight))
    np.testing.assert_allclose(pair_matrix.loss(predicted, pairs), total / weights, rtol=1e-5)
    # Accuracy is that of the likelier side, and the tie counts half: 3 : 0 is the tie.
    np.testing.assert_allclose(pair_matrix.accuracy(predicted, pairs), (1 + 0.5 + 1 + 3) / 6.5, rtol=1e-5)


def test_weights_that_double_are_the_same_matrix_as_pairs_twice():
    one = pair_matrix.pair_matrix(soft([[0, 1], [1, 2]], [0.9, 0.6], [2.0, 1.0]))
    other = pair_matrix.pair_matrix(soft([[0, 1], [0, 1], [1, 2]], [0.9, 0.9, 0.6], [1.0, 1.0, 1.0]))
    np.testing.assert_allclose(one.weight, other.weight)
    np.testing.assert_allclose(one.label, other.label, rtol=1e-6)
