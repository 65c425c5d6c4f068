import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.models.siamese import SiameseRanker
from lena_jax.pooling import AveragePool
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


def fused(fusion, inputs):
    """The maps that are pooled, and the score with average pooling, kernel 1, 2, 3, ... and bias 10."""
    network = SiameseRanker(backbone=None, pooling=AveragePool(), fusion=fusion)
    maps = network.apply({}, inputs, method="fused")
    kernel = np.arange(1.0, maps.shape[-1] + 1, dtype=np.float32)[:, None]
    head = {"params": {"head": {"kernel": kernel, "bias": np.float32([10])}}}
    return np.asarray(maps), np.asarray(network.apply(head, inputs, method="score"))


def test_fusions_by_hand():
    rng = np.random.default_rng(0)
    feature_map = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    objectness = rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    cells = objectness.reshape(2, 4, 16, 4, 16).mean((2, 4))[..., None] / 255
    inputs = {"feature_map": feature_map, "objectness": objectness}
    maps, scores = fused("concat", inputs)
    np.testing.assert_array_equal(maps[..., :3], feature_map)
    np.testing.assert_allclose(maps[..., 3:], cells, atol=1e-6)
    np.testing.assert_allclose(scores, 10 + maps.mean((1, 2)) @ [1, 2, 3, 4], atol=1e-5)
    maps, scores = fused("gate", inputs)
    np.testing.assert_allclose(maps, feature_map * cells, atol=1e-6)
    np.testing.assert_allclose(scores, 10 + (feature_map * cells).mean((1, 2)) @ [1, 2, 3], atol=1e-5)
    np.testing.assert_array_equal(fused("none", feature_map)[0], feature_map)


def test_an_open_gate_changes_nothing_and_a_shut_one_leaves_the_bias():
    feature_map = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    for level, expected in ((255, fused("none", feature_map)[1]), (0, [10, 10])):
        objectness = np.full((2, 64, 64), level, np.uint8)
        scores = fused("gate", {"feature_map": feature_map, "objectness": objectness})[1]
        np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("fusion", ["concat", "gate"])
def test_fused_maps_have_the_type_of_the_features(fusion, dtype):
    inputs = {"feature_map": jnp.ones((1, 2, 2, 3), dtype), "objectness": jnp.zeros((1, 64, 64), jnp.uint8)}
    maps = SiameseRanker(backbone=None, pooling=AveragePool(), fusion=fusion).apply({}, inputs, method="fused")
    assert maps.dtype == dtype
