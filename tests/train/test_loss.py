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
