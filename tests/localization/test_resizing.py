import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from lena_jax.localization import on_picture, to_grid, upsample

SPLINE = np.array([1, 26, 66, 26, 1]) / 120


def test_upsampling_keeps_sign_a_constant_and_the_sum():
    np.testing.assert_allclose(upsample(jnp.full((2, 3, 3), -2.0), 10, 12), -2.0, rtol=1e-6)
    np.testing.assert_allclose(upsample(jnp.full((1, 1, 2), 3.0), 4, 5), 3.0, rtol=1e-6)
    maps = np.random.default_rng(0).normal(size=(1, 4, 4)).astype(np.float32)
    large = np.asarray(upsample(maps, 32, 32))
    assert maps.min() - 1e-6 <= large.min() < 0 < large.max() <= maps.max() + 1e-6
    assert large.sum() / 64 == pytest.approx(maps.sum(), abs=1e-4)


def test_a_map_of_any_size_is_numpys():
    """As a JAX array it would be a compiled program for each size of picture, kept for good."""
    assert isinstance(upsample(jnp.ones((1, 3, 4)), 20, 30), np.ndarray)


def test_upsampling_is_a_filter_of_the_mirrored_cells():
    cells = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
    # At the cells' own centres the spline of degree 5 is (1, 26, 66, 26, 1) / 120.
    expected = ndimage.convolve1d(
        ndimage.convolve1d(cells, SPLINE, axis=0, mode="reflect"), SPLINE, axis=1, mode="reflect"
    )
    np.testing.assert_allclose(upsample(cells[None], 3, 5)[0], expected, atol=1e-6)
    np.testing.assert_allclose(upsample(cells[None], 9, 25)[0, 1::3, 2::5], expected, atol=1e-6)


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


def test_a_map_is_laid_where_the_network_saw_the_picture():
    cells = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4)
    whole = upsample(cells, 8, 8)
    np.testing.assert_array_equal(on_picture(cells, 8, 8, "pad"), whole)
    np.testing.assert_array_equal(on_picture(cells, 4, 8, "pad"), whole[:, 2:6])
    np.testing.assert_array_equal(on_picture(cells, 8, 4, "pad"), whole[:, :, 2:6])
    np.testing.assert_array_equal(on_picture(cells, 4, 8), upsample(cells, 4, 8))
    cropped = on_picture(cells, 8, 12, "crop")
    np.testing.assert_array_equal(cropped[:, :, 2:10], whole)
    assert not cropped[:, :, :2].any() and not cropped[:, :, 10:].any()
