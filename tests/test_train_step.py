import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lena_jax.pairs import pairs_within
from lena_jax.pooling import lena_pool
from lena_jax.siamese import pairwise_logistic_loss
from lena_jax.train_step import TrainState, first_copy, make_train_step, replicate, shard


def score(params, frozen, maps):
    return lena_pool(maps, jax.nn.sigmoid(params["eta"])) @ params["kernel"] + frozen["bias"]


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    return {"eta": rng.normal(size=6).astype(np.float32), "kernel": rng.normal(size=6).astype(np.float32)}


def batch_of(seed, mode="in_batch"):
    rng = np.random.default_rng(seed)
    if mode == "in_batch":
        # 15 pairs: the two devices do not divide them.
        pairs, label, weight = pairs_within(rng.integers(4, size=6))
    else:
        # Weights that sum to less than 1.
        pairs, label, weight = np.arange(6).reshape(3, 2), np.float32([1, 0, 0.5]), np.float32([0.1, 0.2, 0.03])
    return {"inputs": rng.normal(size=(6, 5, 5, 6)).astype(np.float32), "pairs": pairs.astype(np.int32),
            "label": label, "weight": weight}


def run(params, devices, mode, steps=5):
    optimizer = optax.sgd(1.0)
    state = replicate(TrainState(params, optimizer.init(params)), devices)
    frozen = replicate({"bias": np.float32(0.3)}, devices)
    step = make_train_step(score, optimizer, devices)
    losses, states = [], [params]
    for seed in range(steps):
        state, measures = step(state, frozen, shard(batch_of(seed, mode), len(devices)))
        losses.append(float(measures["loss"][0]))
        states.append(first_copy(state.params))
    return np.array(losses), states


@pytest.mark.parametrize("mode", ["in_batch", "given"])
def test_two_devices_give_the_losses_and_gradients_of_one(params, mode):
    assert len(jax.devices()) == 2
    one, states_of_one = run(params, jax.devices()[:1], mode)
    two, states_of_two = run(params, jax.devices(), mode)
    np.testing.assert_allclose(two, one, atol=1e-5)
    # With SGD at rate 1 the first change of the parameters is the gradient.
    for name in params:
        np.testing.assert_allclose(states_of_two[1][name], states_of_one[1][name], atol=1e-5)
        assert np.abs(states_of_one[1][name] - params[name]).max() > 1e-3


@pytest.mark.parametrize("mode", ["in_batch", "given"])
def test_the_gradient_is_that_of_the_loss_written_without_pmap(params, mode):
    batch = batch_of(0, mode)

    def loss(params):
        total, weight = pairwise_logistic_loss(score(params, {"bias": 0.3}, batch["inputs"]), batch["pairs"],
                                               batch["label"], batch["weight"])
        return total / weight

    value, gradient = jax.value_and_grad(loss)(jax.tree.map(jnp.asarray, params))
    losses, states = run(params, jax.devices(), mode, steps=1)
    assert losses[0] == pytest.approx(float(value), abs=1e-5)
    for name in params:
        np.testing.assert_allclose(params[name] - states[1][name], gradient[name], atol=1e-5)


def test_a_batch_without_a_pair_that_counts_changes_nothing(params):
    optimizer = optax.sgd(1.0)
    devices = jax.devices()
    batch = batch_of(0)
    batch["weight"] = np.zeros_like(batch["weight"])
    state, measures = make_train_step(score, optimizer, devices)(
        replicate(TrainState(params, optimizer.init(params)), devices), replicate({"bias": np.float32(0)}, devices),
        shard(batch, 2))
    assert float(measures["loss"][0]) == 0
    jax.tree.map(np.testing.assert_array_equal, first_copy(state.params), params)


def test_shard_pads_pairs_and_refuses_pictures_that_do_not_divide():
    batch = batch_of(0)
    sharded = shard(batch, 2)
    assert sharded["inputs"].shape == (2, 3, 5, 5, 6) and sharded["pairs"].shape == (2, 8, 2)
    assert sharded["weight"].sum() == batch["weight"].sum() and sharded["weight"][1, -1] == 0
    with pytest.raises(ValueError, match="batch_size=6 and 4 devices"):
        shard(batch, 4)
