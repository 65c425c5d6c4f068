"""Pooling by two look-ups against LENA pooling itself: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.pooling import lena_pool
from lena_jax.pooling.running_means import pool_running, running_means


@pytest.mark.parametrize("cells", [1, 2, 25])
def test_values_and_gradients_are_those_of_lena(cells):
    rng = np.random.default_rng(cells)
    maps = rng.normal(size=(7, cells, 6)).astype(np.float32)
    eta = jnp.asarray(rng.uniform(0.02, 0.98, 6), jnp.float32)
    means = running_means(maps)

    def looked_up(eta):
        return pool_running(means, 1 + eta * (cells - 1)).T

    def pooled(eta):
        return lena_pool(maps[:, :, None], eta)

    np.testing.assert_allclose(looked_up(eta), pooled(eta), rtol=2e-5, atol=2e-6)
    weight = rng.normal(size=(7, 6)).astype(np.float32)
    ours, theirs = (jax.grad(lambda eta, pool=pool: (pool(eta) * weight).sum())(eta) for pool in (looked_up, pooled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_whole_sizes_reach_from_the_maximum_to_the_mean():
    maps = np.random.default_rng(0).normal(size=(3, 9, 2)).astype(np.float16)
    means = running_means(maps)
    exact = maps.astype(np.float32)
    np.testing.assert_allclose(pool_running(means, jnp.full(2, 1.0)), exact.max(1).T)
    np.testing.assert_allclose(pool_running(means, jnp.full(2, 9.0)), exact.mean(1).T, atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    maps = np.random.default_rng(0).normal(size=(3, 4, 11)).astype(np.float32)
    whole = running_means(maps)
    monkeypatch.setattr("lena_jax.pooling.running_means._BLOCK", 100)
    np.testing.assert_array_equal(running_means(maps), whole)


@pytest.mark.parametrize("maps", [np.zeros((2, 0, 3)), np.zeros((2, 3)), np.full((1, 1, 1), np.nan)])
def test_what_is_no_map_is_refused(maps):
    with pytest.raises(ValueError, match="maps: got"):
        running_means(maps)
