import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.pooling import average_pool, lena_pool
from lena_jax.pooling.summing import MOST, sum_cells


@pytest.mark.parametrize("cells", [1, 25, MOST, MOST + 1])
def test_the_sum_of_float16_is_that_of_float32(cells):
    z = np.random.default_rng(0).normal(size=(2, cells, 3)).astype(np.float16)
    shift = np.array([[1.0, 2, 3], [4, 5, 6]], np.float32)
    summed = jax.jit(lambda z, shift: sum_cells(lambda z, shift: z.astype(jnp.float32) - shift, z, shift))(z, shift)
    expected = (z.astype(np.float64) - shift[:, None]).sum(1)
    assert summed.dtype == jnp.float32 and np.asarray(summed) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_poolings_of_float16_and_their_gradients_are_those_of_float32_to_its_rounding():
    z = jnp.asarray(np.random.default_rng(1).normal(size=(2, 7, 6, 3)), jnp.float16)
    wide = z.astype(jnp.float32)
    for pool in (average_pool, lambda z: lena_pool(z, jnp.full(3, 0.4))):
        assert pool(z).dtype == jnp.float16
        np.testing.assert_allclose(pool(z), pool(wide), atol=2e-3)
        gradients = [jax.grad(lambda z, pool=pool: pool(z).astype(jnp.float32).sum())(one) for one in (z, wide)]
        np.testing.assert_allclose(*gradients, atol=2e-3)
    share = jax.grad(lambda eta, z: lena_pool(z, eta).astype(jnp.float32).sum())
    np.testing.assert_allclose(share(jnp.full(3, 0.4), z), share(jnp.full(3, 0.4), wide), rtol=0.02, atol=1e-2)
    nan = z.at[0, 0, 0, 0].set(jnp.nan)
    assert np.isnan(lena_pool(nan, jnp.full(3, 0.4))[0, 0]) and np.isnan(average_pool(nan)[0, 0])
