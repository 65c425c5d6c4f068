import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.localization import to_grid, upsample


def test_upsampling_keeps_sign_and_a_constant():
    np.testing.assert_allclose(upsample(jnp.full((2, 3, 3), -2.0), 10, 12), -2.0)
    maps = np.random.default_rng(0).normal(size=(1, 4, 4)).astype(np.float32)
    large = np.asarray(upsample(maps, 32, 32))
    assert maps.min() - 1e-6 <= large.min() < 0 < large.max() <= maps.max() + 1e-6


def test_cells_by_hand():
    line = jnp.array([[[1.0, 2.0, 3.0]]])
    np.testing.assert_allclose(to_grid(line, 1, 3), line)
    np.testing.assert_allclose(to_grid(line, 1, 1)[0, 0], [6])
    np.testing.assert_allclose(to_grid(line, 1, 2)[0, 0], [2, 4])  # The middle pixel is shared.


@pytest.mark.parametrize("grid", [(1, 1), (3, 4), (5, 7), (9, 10)])
def test_the_sum_stays(grid):
    maps = np.random.default_rng(1).normal(size=(3, 9, 10)).astype(np.float32)
    small = to_grid(maps, *grid)
    assert small.shape == (3, *grid)
    np.testing.assert_allclose(small.sum((1, 2)), maps.sum((1, 2)), atol=1e-4)


def test_a_finer_grid_is_refused():
    with pytest.raises(ValueError, match=r"got \(4, 2\) cells and \(3, 3\)"):
        to_grid(jnp.zeros((1, 3, 3)), 4, 2)
