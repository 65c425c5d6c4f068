"""Derivatives: closed form, finite differences in float64, and every transformation of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pooling_oracle as oracle
import pytest
from jax.test_util import check_grads

from lena_jax.pooling import lena_pool, lena_weights


def _data(shape, seed=0):
    # Distinct cells far apart, so that a finite difference stays on one side of every tie.
    rng = np.random.default_rng(seed)
    return rng.permutation(np.prod(shape)).reshape(shape) / 10.0, np.array([0.1, 0.33, 0.77])


@pytest.mark.parametrize("options", [{}, {"window": (2, 3), "strides": 2, "padding": "SAME"}])
def test_finite_differences_to_second_order(options):
    x, eta = _data((1, 3, 4, 3))
    with jax.enable_x64(True):
        x = jnp.asarray(x, jnp.float64)
        eta = jnp.asarray(eta, jnp.float64)
        assert lena_pool(x, eta, **options).dtype == jnp.float64
        pooled = jax.jit(lambda x, eta: jnp.sin(lena_pool(x, eta, **options)))
        check_grads(pooled, (x, eta), order=2, modes=("fwd", "rev"), eps=1e-5)


def test_gradient_is_the_weights_with_ties():
    x = jnp.round(jax.random.normal(jax.random.key(0), (2, 6, 6, 8)))
    eta = jnp.linspace(0, 1, 8)
    g = jax.jit(jax.grad(lambda x: lena_pool(x, eta).sum()))(x)
    np.testing.assert_allclose(g, lena_weights(x, eta), rtol=1e-6)
    n = np.broadcast_to(np.asarray(1 + eta * 35), (2, 8))
    want = oracle.each_map(oracle.weights, np.asarray(x).reshape(2, 36, 8), n)
    np.testing.assert_allclose(np.asarray(g).reshape(2, 36, 8), want, rtol=1e-5, atol=1e-7)


def test_derivative_in_eta_is_the_closed_form():
    x = jax.random.normal(jax.random.key(1), (1, 7, 7, 4))
    eta = jnp.array([0.0, 0.1, 0.5, 0.9])
    # Frozen features: x needs no gradient.
    got = jax.grad(lambda eta: lena_pool(x, eta).sum())(eta)
    n = 1 + eta * 48
    ranks = np.ceil(np.asarray(n)).astype(int)
    t = -np.sort(-np.asarray(x).reshape(49, 4), axis=0)[ranks - 1, np.arange(4)]
    np.testing.assert_allclose(got, (t - lena_pool(x, eta)[0]) / n * 48, rtol=1e-5, atol=1e-6)
    assert np.all(np.asarray(got) <= 0)
    straight = jax.grad(lambda eta: lena_pool(x, eta, rounding="ceil").sum())(eta)
    assert np.all(np.asarray(straight)[1:] < 0)


def test_hessian_is_symmetric_and_agrees_between_modes():
    x = jax.random.normal(jax.random.key(2), (3, 3, 1)).ravel()
    v = jnp.concatenate([x, jnp.array([0.4])])

    def loss(v):
        return (lena_pool(v[:9].reshape(3, 3, 1), v[9]) ** 2).sum()

    h = jax.jit(jax.hessian(loss))(v)
    np.testing.assert_allclose(h, h.T, atol=1e-5)
    np.testing.assert_allclose(h, jax.jit(jax.jacrev(jax.jacrev(loss)))(v), atol=1e-5)
    assert np.abs(h[9, :9]).max() > 0.01


def test_transformations_agree():
    x = jax.random.normal(jax.random.key(3), (2, 2, 3, 3, 4))
    eta = jnp.array([0.0, 0.2, 0.6, 1.0])

    def loss(x, eta):
        return (lena_pool(x, eta) ** 2).sum()

    both = jax.jit(jax.value_and_grad(loss, (0, 1)))
    want = jax.vmap(both, (0, None))(x, eta)
    one_by_one = [both(each, eta) for each in x]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one)
    mapped = jax.pmap(jax.value_and_grad(loss, (0, 1)), in_axes=(0, None))(x, eta)
    again = jax.jit(jax.vmap(jax.value_and_grad(jax.checkpoint(loss), (0, 1)), (0, None)))(x, eta)
    for other in (stacked, mapped, again):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), want, other)


def test_jvp_and_vjp_agree():
    x, dx = jax.random.normal(jax.random.key(4), (2, 2, 4, 4, 3))
    eta, d_eta = jnp.array([0.1, 0.5, 0.9]), jnp.array([1.0, -2.0, 0.5])
    _, forward = jax.jvp(lena_pool, (x, eta), (dx, d_eta))
    _, pull = jax.vjp(lena_pool, x, eta)
    gx, g_eta = pull(jnp.ones_like(forward))
    np.testing.assert_allclose(forward.sum(), (gx * dx).sum() + (g_eta * d_eta).sum(), rtol=1e-4)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_gradients_of_half_precision(dtype):
    x = jax.random.normal(jax.random.key(5), (2, 6, 6, 4), dtype)
    eta = jnp.full((4,), 0.3)
    gx, g_eta = jax.grad(lambda x, eta: lena_pool(x, eta).astype(jnp.float32).sum(), (0, 1))(x, eta)
    assert gx.dtype == dtype and g_eta.dtype == jnp.float32
    np.testing.assert_array_equal(gx, lena_weights(x, eta))


def test_infinite_cells_have_finite_weights_as_gradient():
    x = jnp.array([jnp.inf, 1.0, 0.5, -jnp.inf]).reshape(2, 2, 1)
    g = jax.grad(lambda x: lena_pool(x, 1 / 3).sum())(x)
    np.testing.assert_allclose(g.ravel(), [0.5, 0.5, 0, 0])
