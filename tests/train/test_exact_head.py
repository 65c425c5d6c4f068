"""The solved head against SciPy's minimizer, in both shapes of the problem."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from lena_jax.train import exact_head, pair_matrix


def problem(channels, count, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(channels, count)).astype(np.float32)
    features -= features.mean(1, keepdims=True)
    scores = features[:3].sum(0) + rng.normal(size=count)
    won = (scores[:, None] > scores).astype(np.float32)
    weight = won + won.T
    return features, pair_matrix.PairMatrix(weight / weight.sum() * 2, np.where(weight > 0, won, 0.5))


@pytest.mark.parametrize("channels, count", [(5, 30), (60, 30)])
@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_solution_is_the_minimum(channels, count, ridge):
    features, pairs = problem(channels, count)

    def objective(kernel):
        return pair_matrix.loss(kernel @ features, pairs) + 0.5 * ridge * kernel @ kernel

    oracle = scipy.optimize.minimize(
        lambda kernel: tuple(np.float64(part) for part in jax.value_and_grad(objective)(jnp.float32(kernel))),
        np.zeros(channels),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-5},
    )
    reduced = exact_head.reduce(features)
    solution = exact_head.solve(reduced, pairs, ridge)
    kernel = exact_head.kernel_of(features, reduced, solution.weights)
    assert float(solution.objective) == pytest.approx(oracle.fun, abs=2e-5)
    np.testing.assert_allclose(kernel, oracle.x, atol=5e-3)
    np.testing.assert_allclose(kernel @ features, solution.scores, atol=1e-3)


def test_same_problem_gives_the_same_bits_and_a_near_start_the_same_solution():
    features, pairs = problem(60, 30)
    reduced = exact_head.reduce(features)
    once, again = (exact_head.solve(reduced, pairs, 0.1) for _ in range(2))
    np.testing.assert_array_equal(once.weights, again.weights)
    near = exact_head.solve(reduced, pairs, 0.1, exact_head.solve(reduced, pairs, 0.3).weights)
    np.testing.assert_allclose(near.scores, once.scores, atol=1e-2)


def test_pictures_without_pairs_change_nothing():
    features, pairs = problem(60, 30)
    chosen = np.arange(30) < 20
    masked = exact_head.solve(exact_head.reduce(features), pair_matrix.only(pairs, chosen), 0.1)
    alone = pair_matrix.only(pairs, chosen)
    alone = pair_matrix.PairMatrix(*(part[:20, :20] for part in alone))
    np.testing.assert_allclose(
        masked.objective, exact_head.solve(exact_head.reduce(features[:, :20]), alone, 0.1).objective, rtol=1e-4
    )


def test_dead_channels_get_no_weight():
    features, pairs = problem(5, 30)
    features = np.concatenate([features, np.zeros((2, 30), np.float32)])
    reduced = exact_head.reduce(features)
    kernel = exact_head.kernel_of(features, reduced, exact_head.solve(reduced, pairs, 0.1).weights)
    np.testing.assert_array_equal(kernel[5:], 0)
