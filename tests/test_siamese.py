import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.localization import contribution_map, upsample, virality_map
from lena_jax.pooling import make_pooling
from lena_jax.siamese import SiameseRanker, pair_logits, pairwise_logistic_loss


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
        return pairwise_logistic_loss(jnp.stack([gap, jnp.zeros(())]), jnp.array([[0, 1]]), jnp.array([0.5]),
                                      jnp.ones(1))[0]
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


@pytest.mark.parametrize("pooling", ["lena", "average", "max"])
def test_contributions_sum_to_the_score_without_bias(pooling):
    network = SiameseRanker(backbone=nn.Conv(24, (3, 3)), pooling=make_pooling(pooling))
    images = jax.random.normal(jax.random.key(1), (4, 9, 7, 3))
    variables = network.init(jax.random.key(0), images)
    variables["params"]["head"]["bias"] = jnp.array([0.7])
    feature_map = network.apply(variables, images, method="feature_map")
    weights = network.apply(variables, feature_map, method="cell_weights")
    maps = contribution_map(feature_map, weights, variables["params"]["head"]["kernel"][:, 0])
    assert maps.shape == (4, 9, 7)
    scores = network.apply(variables, images)
    np.testing.assert_allclose(maps.sum((1, 2)), scores - 0.7, atol=1e-4)
    assert float(maps.min()) < 0 < float(maps.max())


def test_virality_map_is_the_weighted_sum_of_the_channels():
    feature_map = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    kernel = np.array([1, 0, -2, 0.5], np.float32)
    np.testing.assert_allclose(virality_map(feature_map, kernel), feature_map @ kernel)


def test_upsampling_keeps_sign_and_a_constant():
    np.testing.assert_allclose(upsample(jnp.full((2, 3, 3), -2.0), 10, 12), -2.0)
