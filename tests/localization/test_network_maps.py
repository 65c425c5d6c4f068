import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.localization import contribution_map, pair_contributions, support_map, virality_map
from lena_jax.models.siamese import SiameseRanker
from lena_jax.pooling import lena_weights, make_pooling, weldon_weights
from lena_jax.train.loss import pair_logits

RNG = np.random.default_rng(0)


class Trunk(nn.Module):
    @nn.compact
    def __call__(self, images, train=False):
        return nn.Conv(24, (3, 3))(images)


@pytest.fixture(scope="module", params=["lena", "average", "max"])
def looked_at(request):
    """(scores, feature map, weights of the cells, kernel) of four pictures and a network with a bias."""
    network = SiameseRanker(backbone=Trunk(), pooling=make_pooling(request.param))
    images = jax.random.normal(jax.random.key(1), (4, 9, 7, 3))
    variables = network.init(jax.random.key(0), images)
    variables["params"]["head"]["bias"] = jnp.array([0.7])
    feature_map = network.apply(variables, images, method="feature_map")
    weights = network.apply(variables, feature_map, method="cell_weights")
    return network.apply(variables, images), feature_map, weights, variables["params"]["head"]["kernel"][:, 0]


def test_contributions_sum_to_the_score_without_bias(looked_at):
    scores, feature_map, weights, kernel = looked_at
    maps = contribution_map(feature_map, weights, kernel)
    assert maps.shape == (4, 9, 7)
    np.testing.assert_allclose(maps.sum((1, 2)), scores - 0.7, atol=1e-4)
    assert float(maps.min()) < 0 < float(maps.max())


def test_a_map_whose_weights_are_all_zero_still_takes_its_baseline_away():
    feature_map, kernel, baseline = jnp.ones((1, 2, 2, 2)), jnp.array([1.0, 2.0]), jnp.array([0.5, 0.4])
    weights = weldon_weights(feature_map, 2, 2, alpha=-1)
    assert not weights.any()
    maps = contribution_map(feature_map, weights, kernel, baseline)
    np.testing.assert_allclose(maps, np.full((1, 2, 2), -1.3 / 4), atol=1e-6)


def test_the_maps_of_a_pair_sum_to_its_logit(looked_at):
    scores, feature_map, weights, kernel = looked_at
    maps, pairs = contribution_map(feature_map, weights, kernel), np.array([[0, 1], [3, 2], [1, 0]])
    of_pairs = pair_contributions(maps, pairs)
    np.testing.assert_allclose(of_pairs.sum((1, 2, 3)), pair_logits(scores, pairs), atol=1e-4)
    # Positive speaks for the left picture, whichever it is in.
    np.testing.assert_array_equal(of_pairs[0, 0], maps[0])
    np.testing.assert_array_equal(of_pairs[0], -of_pairs[2, ::-1])


def test_the_support_sums_to_one(looked_at):
    _, _, weights, kernel = looked_at
    support = support_map(weights, kernel)
    np.testing.assert_allclose(support.sum((1, 2)), 1, atol=1e-5)
    assert float(support.min()) >= 0
    np.testing.assert_allclose(support_map(weights, 1e-30 * kernel), support, rtol=1e-4)


def test_the_support_by_hand():
    weights = np.array([[0.5, 0.25], [0.5, 0.25], [0, 0.5]], np.float32).reshape(1, 1, 3, 2)
    np.testing.assert_allclose(support_map(weights, np.array([1, -3], np.float32))[0, 0], [0.3125, 0.3125, 0.375])
    np.testing.assert_allclose(support_map(weights, np.zeros(2, np.float32))[0, 0], [0.375, 0.375, 0.25])


def test_the_support_of_a_top_n_pool_is_where_its_cells_are():
    feature_map = jnp.asarray(RNG.normal(size=(1, 5, 5, 3)), jnp.float32)
    weights = lena_weights(feature_map, jnp.full(3, 3 / 24))  # N = 4 of 25 cells.
    for channel in range(3):
        highest = np.argsort(-np.ravel(feature_map[0, ..., channel]))[:4]
        assert set(np.flatnonzero(weights[0, ..., channel])) == set(highest)
    np.testing.assert_allclose(support_map(weights, jnp.array([0.0, 2.0, 0.0])), weights[..., 1], atol=1e-6)


def test_virality_map_is_the_weighted_sum_of_the_channels():
    feature_map = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    kernel = np.array([1, 0, -2, 0.5], np.float32)
    np.testing.assert_allclose(virality_map(feature_map, kernel), feature_map @ kernel)
