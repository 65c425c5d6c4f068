"""Levels side by side on one grid pool to what each pools to on its own grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.backbones.levels import ENDPOINTS, side_by_side, stride_of
from lena_jax.pooling import POOLINGS, lena_pool, lena_weights, top_n_pool, weldon_pool

MEANS = [name for name in POOLINGS if name not in ("lena", "top_n", "weldon")]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def repeated(x, k):
    return side_by_side([(k, x)], 1, *(side * k for side in x.shape[1:3]))


def check_pooled_alike(pool_fine, pool_own, k, x):
    """Compare values, and gradients of a weighted sum of them, of a map on its own grid and with its cells repeated."""
    weights = numbers(x.shape[-1], seed=1)

    def run(pool, make):
        return jax.jit(jax.value_and_grad(lambda x: (pool(make(x))[0] * weights).sum()))(x)

    (fine, fine_gradient), (own, own_gradient) = run(pool_fine, lambda x: repeated(x, k)), run(pool_own, lambda x: x)
    np.testing.assert_allclose(fine, own, rtol=1e-5)
    np.testing.assert_allclose(fine_gradient, own_gradient, rtol=1e-4, atol=1e-6)
    assert np.abs(own_gradient).max() > 0


@pytest.mark.parametrize("name", MEANS)
def test_means_pool_repeated_cells_as_the_cells(name):
    module, x = POOLINGS[name].module(), np.abs(numbers(1, 3, 4, 5)) + 0.1
    variables = module.init(jax.random.key(0), x)
    check_pooled_alike(lambda x: module.apply(variables, x), lambda x: module.apply(variables, x), 4, x)


def test_a_support_of_repeated_cells_is_one_of_the_cells():
    x, m, k = numbers(1, 3, 4, 5), 12, 2
    sizes = np.array([1, 1.5, 4, 7.3, 12], np.float32)
    check_pooled_alike(
        lambda x: lena_pool(x, (sizes * k**2 - 1) / (m * k**2 - 1)), lambda x: lena_pool(x, (sizes - 1) / (m - 1)), k, x
    )
    check_pooled_alike(lambda x: top_n_pool(x, 5 * k**2), lambda x: top_n_pool(x, 5), k, x)
    check_pooled_alike(lambda x: weldon_pool(x, 3 * k**2, 2 * k**2), lambda x: weldon_pool(x, 3, 2), k, x)
    # Smaller supports than a cell are the maximum, as a support of one cell is.
    half = np.float32((k**2 - 1) / (m * k**2 - 1) / 2)
    np.testing.assert_allclose(lena_pool(repeated(x, k), half), x.max((1, 2)), rtol=1e-6)


def test_the_gradient_towards_a_larger_support_is_that_of_the_same_share():
    x, m, k, eta = numbers(1, 3, 4, 5), 12, 2, 0.4
    own = jax.grad(lambda eta: lena_pool(x, eta).sum())(eta)
    size = (1 + eta * (m - 1)) * k**2
    fine = jax.grad(lambda eta: lena_pool(repeated(x, k), eta).sum())((size - 1) / (m * k**2 - 1))
    # dp/dN, in cells of the own grid.
    np.testing.assert_allclose(fine / (m * k**2 - 1) * k**2, own / (m - 1), rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_any_picture_is_covered_once_by_the_cells_of_each_level(seed):
    """Compare with a loop over the cells, for pictures that no stride divides, and every stride of the result."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(33, 100, 2)
    stride = int(rng.choice([4, 8, 16, 32]))
    levels = [(own, numbers(1, -(-height // own), -(-width // own), 2, seed=own)) for own in (4, 8, 16, 16, 32)]
    got = np.asarray(side_by_side(levels, stride, height, width))
    assert got.shape == (1, -(-height // stride), -(-width // stride), 10)
    for number, (own, x) in enumerate(levels):
        for row, column in np.ndindex(got.shape[1:3]):
            if own >= stride:
                expected = x[0, row * stride // own, column * stride // own]
            else:
                side = stride // own
                expected = x[0, row * side : (row + 1) * side, column * side : (column + 1) * side].mean((0, 1))
            np.testing.assert_allclose(got[0, row, column, 2 * number : 2 * number + 2], expected, rtol=1e-5, atol=1e-6)


def test_a_cell_cut_off_at_the_border_counts_for_what_is_left_of_it():
    # 5 cells of 16 pixels and 3 of 32: the last one is half in the picture.
    x = numbers(1, 3, 3, 4)
    fine = side_by_side([(32, x)], 16, 80, 80)
    counts = np.outer([2, 2, 1], [2, 2, 1])
    np.testing.assert_allclose(fine.mean((1, 2)), np.einsum("bhwc,hw->bc", x, counts) / counts.sum(), rtol=1e-5)
    weights = lena_weights(fine, 0.5)
    np.testing.assert_allclose(weights.sum((1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose((weights * fine).sum((1, 2)), lena_pool(fine, 0.5), rtol=1e-4, atol=1e-6)


def test_the_endpoint_names_the_stride():
    assert [stride_of(endpoint, 32) for endpoint in ENDPOINTS] == [32, 16, 8, 4]
    assert [stride_of(endpoint, 16) for endpoint in ENDPOINTS] == [16, 16, 8, 4]


def test_bfloat16_stays_and_is_averaged_in_float32():
    coarse, fine = jnp.asarray(numbers(1, 2, 2, 1), jnp.bfloat16), jnp.asarray(numbers(1, 64, 64, 1), jnp.bfloat16)
    got = side_by_side([(32, coarse), (1, fine)], 32, 64, 64)
    assert got.dtype == jnp.bfloat16
    expected = np.asarray(fine, np.float32).reshape(2, 32, 2, 32).mean((1, 3))
    np.testing.assert_allclose(got[0, :, :, 1], jnp.asarray(expected, jnp.bfloat16), rtol=2e-2)
    np.testing.assert_array_equal(got[..., :1], coarse)
