"""Supports are found where the scores say, whatever the start, and stay where nothing pulls at them."""

import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.pooling import lena_pool
from lena_jax.pooling.running_means import running_means
from lena_jax.train import pair_matrix, supports

TRUE = np.array([1, 3, 8, 16])
WEIGHTS = np.array([1.0, -1.0, 1.0, 0.7])


@pytest.fixture(scope="module")
def known():
    """Maps of 16 cells and 12 channels, of which 4 carry the score with known supports."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(300, 16, 12)) + rng.normal(size=(300, 1, 12)) * 0.3
    table = supports.Table.of(running_means(maps.astype(np.float32)))
    sizes = np.concatenate([TRUE, np.full(8, 4)]).astype(np.float32)
    scores = WEIGHTS @ np.asarray(supports.features_at(table.means, sizes))[:4]
    won = (scores[:, None] > scores).astype(np.float32)
    weight = won + won.T
    return table, pair_matrix.PairMatrix(2 * weight / weight.sum(), np.where(weight > 0, won, 0.5).astype(np.float32))


@pytest.mark.parametrize("penalty", ["even", "sparse"])
@pytest.mark.parametrize("start", [1, 8, 16])
def test_supports_are_found_from_every_start(known, start, penalty):
    table, pairs = known
    sizes = jnp.full(12, start, jnp.int32)
    features = supports.features_at(table.means, sizes.astype(jnp.float32))
    price = supports.prices(16, 0.5, 1e3)
    learned = supports.learn(features, pairs, 1e-3, penalty, table, sizes, price)
    assert (np.abs(np.asarray(learned.sizes)[:4] - TRUE) <= [0, 1, 2, 2]).all()
    assert pair_matrix.accuracy(learned.scores, pairs) > 0.97
    kernel = np.abs(np.asarray(learned.kernel))
    assert kernel[4:].max() < 0.2 * kernel[:4].min()


def test_a_high_price_keeps_supports_where_they_start(known):
    table, pairs = known
    sizes = jnp.full(12, 8, jnp.int32)
    features = supports.features_at(table.means, sizes.astype(jnp.float32))
    start = (8 - 1) / 15
    learned = supports.learn(features, pairs, 1e-3, "even", table, sizes, supports.prices(16, start, 1e-9))
    np.testing.assert_array_equal(learned.sizes, sizes)


def test_prices_grow_with_the_way_and_end_at_the_edges():
    price = supports.prices(101, 0.5, 2.0)
    assert price.shape == (101,) and price[50] == 0 and price[70] > price[60] > 0
    assert np.isfinite(price).all() and price[0] == price[1] == price[2]
    np.testing.assert_allclose(supports.prices(101, 0.5, 1.0), 2 * price)


def test_features_have_equal_spread(known):
    table, _ = known
    features = np.asarray(supports.features_at(table.means, jnp.linspace(1, 16, 12)))
    np.testing.assert_allclose(features.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(features.std(1), 1, rtol=1e-4)


def test_few_evenly_spread_supports_are_what_lena_pools():
    maps = np.random.default_rng(0).normal(size=(3, 30, 4)).astype(np.float32)
    means = running_means(maps)
    assert supports.evenly(means, 30) is means
    got = supports.evenly(means, 8)
    for row, share in enumerate(np.linspace(0, 1, 8, dtype=np.float32)):
        np.testing.assert_allclose(got[:, row].T, lena_pool(maps[:, None], share, method="sort"), rtol=1e-5, atol=1e-6)
