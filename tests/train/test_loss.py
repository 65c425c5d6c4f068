import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.train.loss import pair_logits, pairwise_logistic_loss


def test_loss_against_the_formula_in_float64():
    rng = np.random.default_rng(0)
    scores, pairs = rng.normal(size=6), rng.integers(6, size=(10, 2))
    label, weight = rng.choice([0, 0.5, 1], 10), rng.uniform(size=10)
    logit = scores[pairs[:, 0]] - scores[pairs[:, 1]]
    expected = np.sum(weight * (np.logaddexp(0, logit) - label * logit))
    loss, total = pairwise_logistic_loss(jnp.float32(scores), pairs, jnp.float32(label), jnp.float32(weight))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(total) == pytest.approx(weight.sum(), rel=1e-5)


def test_a_tie_is_best_predicted_by_equal_scores():
    def loss(gap):
        return pairwise_logistic_loss(
            jnp.stack([gap, jnp.zeros(())]), jnp.array([[0, 1]]), jnp.array([0.5]), jnp.ones(1)
        )[0]

    assert float(jax.grad(loss)(jnp.float32(0))) == pytest.approx(0, abs=1e-7)
    assert float(loss(jnp.float32(1))) == pytest.approx(float(loss(jnp.float32(-1))))
    assert float(loss(jnp.float32(1))) > float(loss(jnp.float32(0)))


def test_swapping_left_and_right_flips_the_label():
    scores, pairs = jnp.array([0.3, -1.2]), jnp.array([[0, 1]])
    straight = pairwise_logistic_loss(scores, pairs, jnp.ones(1), jnp.ones(1))[0]
    swapped = pairwise_logistic_loss(scores, pairs[:, ::-1], jnp.zeros(1), jnp.ones(1))[0]
    assert float(straight) == pytest.approx(float(swapped))
    assert float(pair_logits(scores, pairs)[0]) == pytest.approx(1.5)


def test_huge_scores_do_not_overflow():
    loss, _ = pairwise_logistic_loss(jnp.array([1e30, -1e30]), jnp.array([[0, 1], [1, 0]]), jnp.ones(2), jnp.ones(2))
    assert np.isfinite(float(loss))


def test_soft_labels_by_hand():
    # log(1 + e^d) - q d with d = log 3: log 4 - q log 3; the derivative by d is 3/4 - q.
    scores, pairs = jnp.array([np.log(3.0), 0.0], jnp.float32), jnp.array([[0, 1]])
    label, weight = jnp.array([0.6]), jnp.array([2.0])
    (loss, total), gradient = jax.value_and_grad(pairwise_logistic_loss, has_aux=True)(scores, pairs, label, weight)
    assert float(loss) == pytest.approx(2 * (np.log(4) - 0.6 * np.log(3)), rel=1e-6) and float(total) == 2
    np.testing.assert_allclose(gradient, [2 * (0.75 - 0.6), -2 * (0.75 - 0.6)], rtol=1e-5)


def test_weights_that_double_are_the_same_as_pairs_twice():
    rng = np.random.default_rng(1)
    scores, pairs = jnp.float32(rng.normal(size=5)), rng.integers(5, size=(6, 2))
    label, weight = jnp.float32(rng.random(6)), np.array([2, 1, 1, 2, 1, 2])
    once = jax.grad(lambda s: pairwise_logistic_loss(s, pairs, label, jnp.float32(weight))[0])(scores)
    rows = np.repeat(np.arange(6), weight)
    twice = jax.grad(lambda s: pairwise_logistic_loss(s, pairs[rows], label[rows], jnp.ones(9))[0])(scores)
    np.testing.assert_allclose(once, twice, rtol=1e-5, atol=1e-6)
