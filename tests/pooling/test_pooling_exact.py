"""Exactness: value and weights against the float64 oracle, for any floats."""

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pooling_oracle as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lena_jax.pooling import lena_pool, lena_weights, selection, superquantile

TINY = np.finfo(np.float32).tiny
BIG = float(np.float32(1e37))
CAPACITIES = (1, 9, 255, 256, 800)  # a shape is compiled once; a mask gives the sizes in between
SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e-40, -1e-40, TINY, -TINY, BIG, -BIG, 3.0, 6.0, 0.1]


@st.composite
def maps(draw, infinite):
    """One map, its size from 1 to 800, and a support size from 1 to that."""
    size = draw(st.one_of(st.integers(1, 12), st.integers(1, 800)))
    numbers = st.one_of(
        st.floats(-BIG, BIG, width=32),
        st.floats(-3, 3, width=32),
        st.sampled_from(SPECIAL + [np.inf, -np.inf] * infinite),
    )
    kind = draw(st.sampled_from(("mixed", "ties", "constant", "negative", "rectified", "normal")))
    if kind == "normal":
        z = np.random.default_rng(draw(st.integers(0, 2**32))).standard_normal(size).astype(np.float32)
    elif kind == "ties":
        values = np.array(draw(st.lists(numbers, min_size=1, max_size=4)), np.float32)
        z = values[np.random.default_rng(draw(st.integers(0, 99))).integers(0, len(values), size)]
    else:
        z = draw(hnp.arrays(np.float32, size, elements=numbers, fill=numbers))
        z = {"constant": z * 0 + z[0] if np.isfinite(z).all() else np.full_like(z, z[0]), "negative": -np.abs(z)}.get(
            kind, np.maximum(z, 0) if kind == "rectified" else z
        )
    n = draw(st.one_of(st.just(1.0), st.just(float(size)), st.integers(8, 8 * size).map(lambda eighths: eighths / 8)))
    return z, n


def _embed(z):
    capacity = next(c for c in CAPACITIES if c >= len(z))
    cells = np.full((1, capacity, 1), -np.inf, np.float32)
    valid = np.zeros(cells.shape, bool)
    # Spread over the capacity, so that maps of more than 255 cells use all groups.
    at = np.linspace(0, capacity - 1, len(z)).round().astype(int) if len(z) > 1 else np.array([capacity // 2])
    cells[0, at, 0], valid[0, at, 0] = z, True
    return jnp.asarray(cells), jnp.asarray(valid), at


@settings(max_examples=250, deadline=None)
@given(maps(infinite=True))
def test_value_is_the_formula(case):
    z, n = case
    cells, valid, _ = _embed(z)
    got = float(superquantile.pool(cells, jnp.full((1, 1), n, jnp.float32), valid)[0, 0])
    want = oracle.pool(z, n)
    if not np.isfinite(want):
        np.testing.assert_equal(got, want)
    else:
        support = -np.sort(-z.astype(np.float64))[: int(np.ceil(n))]
        assert abs(got - want) <= 2e-6 * np.abs(support).max() + 2 * TINY


@settings(max_examples=150, deadline=None)
@given(maps(infinite=True))
def test_weights_are_the_closed_form(case):
    z, n = case
    cells, valid, at = _embed(z)
    got = np.asarray(superquantile.weights(cells, jnp.full((1, 1), n, jnp.float32), valid))[0, :, 0]
    np.testing.assert_allclose(got[at], oracle.weights(z, n), rtol=1e-5, atol=1e-7)
    assert np.all(np.delete(got, at) == 0)
    np.testing.assert_allclose(got.sum(dtype=np.float64), 1, rtol=1e-5)


@settings(max_examples=100, deadline=None)
@given(maps(infinite=False))
def test_weights_reproduce_the_value(case):
    z, n = case
    cells, valid, at = _embed(z)
    n = jnp.full((1, 1), n, jnp.float32)
    w = np.asarray(superquantile.weights(cells, n, valid), np.float64)[0, at, 0]
    scale = np.abs(z[w > 0]).max()
    assert abs(np.sum(w * z) - float(superquantile.pool(cells, n, valid)[0, 0])) <= 3e-6 * scale + 2 * TINY


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("m", [1, 2, 49, 255, 256, 600])
def test_selection_is_exact_without_masks(dtype, m):
    rng = np.random.default_rng(m)
    x = jnp.asarray(np.maximum(rng.standard_normal((2, m, 24)), -0.5), dtype)
    k = jnp.asarray(rng.integers(1, m + 1, (2, 24)), jnp.int32)
    found = jax.jit(selection.kth_largest)(x, k)
    want = -np.sort(-np.asarray(x, np.float64), axis=1)
    want = np.take_along_axis(want, np.asarray(k)[:, None] - 1, 1)[:, 0]
    np.testing.assert_array_equal(np.asarray(selection.to_float(found.key, dtype), np.float64), want)
    np.testing.assert_array_equal(found.above, (np.asarray(x, np.float64) > want[:, None]).sum(1))
    np.testing.assert_array_equal(found.equal, (np.asarray(x, np.float64) == want[:, None]).sum(1))


def test_plain_reduction_counts_like_the_unrolled_one():
    digit = jax.random.randint(jax.random.key(0), (3, 255, 5), -128, 128).astype(jnp.int8)
    candidate = jnp.asarray([[-128, -1, 0, 1, 127]] * 3, jnp.int8)
    reduced, unrolled = (jax.jit(count)(digit, candidate) for count in (selection._count, selection._count_unrolled))
    np.testing.assert_array_equal(reduced, unrolled)


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 2e-6), (jnp.bfloat16, 8e-3), (jnp.float16, 1e-3)])
@pytest.mark.parametrize("rectified", [False, True])
def test_methods_agree(dtype, tolerance, rectified):
    x = jax.random.normal(jax.random.key(1), (3, 7, 7, 16), dtype)
    x = jnp.maximum(x, 0) if rectified else x
    eta = jax.random.uniform(jax.random.key(2), (16,))
    for function in (lena_pool, lena_weights):
        fast, slow = function(x, eta), function(x, eta, method="sort")
        assert fast.dtype == slow.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(fast, np.float32), np.asarray(slow, np.float32), rtol=tolerance, atol=tolerance
        )


def test_limits_are_max_and_mean():
    x = jax.random.normal(jax.random.key(3), (2, 6, 5, 7))
    np.testing.assert_array_equal(lena_pool(x, 0.0), x.max((1, 2)))
    np.testing.assert_allclose(lena_pool(x, 1.0), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lena_weights(x, 1.0), jnp.full(x.shape, 1 / 30), rtol=1e-6)


def test_float16_sums_do_not_overflow():
    x = jnp.full((1, 20, 20, 1), 60000.0, jnp.float16)
    np.testing.assert_array_equal(lena_pool(x, 0.5), jnp.full((1, 1), 60000.0, jnp.float16))


@pytest.mark.parametrize("method", superquantile.METHODS)
def test_nan_stays_in_its_map(method):
    x = jax.random.normal(jax.random.key(4), (2, 4, 4, 3)).at[0, 1, 2, 1].set(jnp.nan)
    bad = np.zeros((2, 3), bool)
    bad[0, 1] = True
    np.testing.assert_array_equal(np.isnan(lena_pool(x, 0.2, method=method)), bad)
    w = lena_weights(x, 0.2, method=method)
    np.testing.assert_array_equal(np.isnan(w), np.broadcast_to(bad[:, None, None], x.shape))
