"""Modules, registry, the other poolings, and the helpers for parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lena_jax import pooling
from lena_jax.pooling import POOLINGS, LENAPool, make_pooling

OPTIONS = {"top_n": {"n": 3}, "weldon": {"top": 2, "bottom": 3, "alpha": 0.7}}
X = jax.random.normal(jax.random.key(0), (2, 5, 6, 4))


@pytest.mark.parametrize("name", POOLINGS)
def test_value_and_weights_keep_their_promise(name):
    module = make_pooling(name, **OPTIONS.get(name, {}))
    variables = module.init(jax.random.key(1), X)
    assert list(variables.get("params", {})) == ([POOLINGS[name].parameter] if POOLINGS[name].parameter else [])
    pooled, weights = module.apply(variables, X), module.apply(variables, X, method="weights")
    assert pooled.shape == (2, 4) and weights.shape == X.shape
    if module.sums_to_one:
        np.testing.assert_allclose(weights.sum((1, 2)), jnp.ones((2, 4)), rtol=1e-5)
    if module.reproduces:
        np.testing.assert_allclose((weights * X).sum((1, 2)), pooled, rtol=1e-5, atol=1e-6)
    if name != "softmax":
        g = jax.grad(lambda x: module.apply(variables, x).sum())(X)
        np.testing.assert_allclose(g, weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_masked_cells_never_count(name):
    module = make_pooling(name, **OPTIONS.get(name, {}))
    variables = module.init(jax.random.key(1), X)
    where = (jnp.arange(5) < 3)[:, None, None]
    x = X.at[:, 3:].set(jnp.inf)
    np.testing.assert_allclose(
        module.apply(variables, x, where), module.apply(variables, X[:, :3]), rtol=1e-5, atol=1e-6
    )
    weights = module.apply(variables, x, where, method="weights")
    assert np.all(weights[:, 3:] == 0)

    def loss(variables, x, where):
        return (module.apply(variables, x, where) ** 2).sum()

    empty = jnp.broadcast_to(where, X.shape).at[1].set(False)
    value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))(variables, x, empty)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((value, gradients)))
    assert np.all(gradients[1][1] == 0)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_and_nan(name, dtype):
    module = make_pooling(name, **OPTIONS.get(name, {}))
    x = X.astype(dtype).at[0, 1, 2, 3].set(jnp.nan)
    variables = module.init(jax.random.key(1), x)
    pooled = module.apply(variables, x)
    assert pooled.dtype == module.apply(variables, x, method="weights").dtype == dtype
    assert np.isnan(pooled[0, 3]) and np.isnan(pooled).sum() == 1
    reference = np.asarray(module.apply(variables, x.astype(jnp.float32)))
    np.testing.assert_allclose(np.asarray(pooled, np.float32), reference, rtol=2e-2, atol=1e-2)


def test_other_poolings_by_formula():
    x, flat = jnp.abs(X), np.abs(np.asarray(X, np.float64)).reshape(2, 30, 4)
    np.testing.assert_allclose(pooling.gem_pool(x, 3.0), (flat**3).mean(1) ** (1 / 3), rtol=1e-5)
    np.testing.assert_allclose((pooling.gem_weights(x, 3.0) * x).sum((1, 2)), pooling.gem_pool(x, 3.0), rtol=1e-5)
    np.testing.assert_allclose(pooling.lse_pool(x, 4.0), np.log(np.exp(4 * flat).mean(1)) / 4, rtol=1e-5)
    e = np.exp(2 * flat)
    np.testing.assert_allclose(pooling.softmax_pool(x, 2.0), (e * flat).sum(1) / e.sum(1), rtol=1e-5)
    s = np.sort(flat, axis=1)
    want = s[:, -2:].mean(1) + 0.5 * s[:, :3].mean(1)
    np.testing.assert_allclose(pooling.weldon_pool(x, 2, 3, alpha=0.5), want, rtol=1e-5)
    # Limits: sharp is the maximum, flat the mean.
    np.testing.assert_allclose(pooling.softmax_pool(X, 1e4), X.max((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(pooling.softmax_pool(X, 0.0), X.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(pooling.lse_pool(1e4 * X, 100.0), 1e4 * X.max((1, 2)), rtol=1e-3)
    with pytest.raises(ValueError, match="power must be positive: got -1"):
        pooling.gem_pool(x, -1.0)


def test_registry_names_the_known_ones():
    with pytest.raises(ValueError, match="got 'lean', expected one of lena, average, .*did you mean 'lena'"):
        make_pooling("lean")
    with pytest.raises(ValueError, match="got 'init_shar'.*did you mean 'init_share'"):
        make_pooling("lena", init_shar=0.2)
    assert make_pooling("lena", init_share=0.2).init_share == 0.2


@pytest.mark.parametrize("parameterization", ["sigmoid", "clip"])
def test_initial_support(parameterization):
    by_share = LENAPool(init_share=0.25, parameterization=parameterization).init(jax.random.key(0), X)
    by_count = LENAPool(init_count=5, parameterization=parameterization).init(jax.random.key(0), X)
    for variables, want in ((by_share, 1 + 0.25 * 29), (by_count, 5.0)):
        sizes = pooling.support_sizes(variables["params"]["eta"], 30, parameterization)
        np.testing.assert_allclose(sizes, jnp.full((4,), want), rtol=1e-5)


def test_bad_module_options():
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        LENAPool(init_share=0.0)
    with pytest.raises(ValueError, match="got 31, expected 1 to the number of cells, 30"):
        LENAPool(init_count=31).init(jax.random.key(0), X)
    with pytest.raises(ValueError, match="parameterization: got 'tanh'"):
        LENAPool(parameterization="tanh")


def test_clip_passes_gradients():
    module = LENAPool(parameterization="clip")
    variables = {"params": {"eta": jnp.array([-0.2, 0.0, 0.5, 1.3])}}
    np.testing.assert_allclose(module.apply(variables, X)[:, 0], X.max((1, 2))[:, 0])
    np.testing.assert_allclose(module.apply(variables, X)[:, 3], X.mean((1, 2))[:, 3], rtol=1e-5, atol=1e-6)
    g = jax.grad(lambda v: module.apply(v, X).sum())(variables)["params"]["eta"]
    assert np.all(g[2:] < 0) and np.all(g[:2] == 0)


def test_labels_and_decay_mask_in_a_training_step():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(LENAPool()(nn.Conv(4, (3, 3))(x)))

    params = Net().init(jax.random.key(0), X)["params"]
    labels = pooling.label_pooling(params)
    assert labels["LENAPool_0"] == {"eta": "pooling"} and labels["Dense_0"]["kernel"] == "rest"
    mask = pooling.decay_mask(params)
    assert mask["LENAPool_0"] == {"eta": False} and mask["Conv_0"] == {"kernel": True, "bias": True}

    zeros = jax.tree.map(jnp.zeros_like, params)
    decay = optax.add_decayed_weights(0.1, mask=pooling.decay_mask)
    updates, _ = decay.update(zeros, decay.init(params), params)
    assert np.all(updates["LENAPool_0"]["eta"] == 0) and np.any(updates["Dense_0"]["kernel"] != 0)

    split = optax.multi_transform({"pooling": optax.sgd(1.0), "rest": optax.sgd(0.0)}, pooling.label_pooling)
    updates, _ = split.update(jax.tree.map(jnp.ones_like, params), split.init(params), params)
    assert np.all(updates["LENAPool_0"]["eta"] == -1) and np.all(updates["Conv_0"]["kernel"] == 0)
