"""The learning curve: what fewer pictures would have given, at the same settings."""

import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.train import exact_head, inner_validation, pair_matrix
from lena_jax.train.pair_matrix import PairMatrix


@pytest.fixture(scope="module")
def problem():
    """120 pictures whose score is a few of 30 features, and noise; the pairs of 90 to solve on, of 30 to count."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 120)).astype(np.float32)
    features -= features.mean(1, keepdims=True)
    scores = features[:4].sum(0) + 0.5 * rng.normal(size=120)
    label = (scores[:, None] > scores[None]).astype(np.float32)
    label[np.arange(120), np.arange(120)] = 0.5
    pairs = PairMatrix(np.full((120, 120), 2 / (120 * 119), np.float32) * (1 - np.eye(120, dtype=np.float32)), label)
    out = np.arange(120) >= 90
    return jnp.asarray(features), [(pair_matrix.only(pairs, ~out), pair_matrix.only(pairs, out))]


def test_the_whole_share_is_the_fit_itself_and_more_pictures_help(problem):
    features, parts = problem
    rows = inner_validation.learning_curve(features, parts, 0.1)
    assert [row["pictures"] for row in rows] == [11, 22, 45, 90]
    solution = exact_head.solve(exact_head.reduce(features), parts[0][0], 0.1)
    assert rows[-1]["pair_accuracy"] == pytest.approx(float(pair_matrix.accuracy(solution.scores, parts[0][1])))
    assert rows[-1]["pair_accuracy"] > rows[0]["pair_accuracy"] + 0.05


def test_a_share_without_a_pair_is_left_out(problem):
    features, parts = problem
    rows = inner_validation.learning_curve(features, parts, 0.1, shares=(0.01, 0.5))
    assert [row["pictures"] for row in rows] == [45]
