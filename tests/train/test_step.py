import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from lena_jax.data.pairs import pairs_within
from lena_jax.models.siamese import AXIS
from lena_jax.pooling import lena_pool
from lena_jax.train.loss import pairwise_logistic_loss
from lena_jax.train.step import TrainState, first_copy, make_train_step, replicate, shard


def score(params, statistics, carried, maps):
    return lena_pool(maps, jax.nn.sigmoid(params["eta"])) @ params["kernel"] + carried["bias"], statistics


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
    return {
        "inputs": rng.normal(size=(6, 5, 5, 6)).astype(np.float32),
        "pairs": pairs.astype(np.int32),
        "label": label,
        "weight": weight,
    }


def run(params, devices, mode, steps=5, **options):
    optimizer = optax.sgd(1.0)
    state = replicate(TrainState.create(params, optimizer), devices)
    frozen = replicate({"bias": np.float32(0.3)}, devices)
    step = make_train_step(score, optimizer, devices, **options)
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
        total, weight = pairwise_logistic_loss(
            score(params, {}, {"bias": 0.3}, batch["inputs"])[0], batch["pairs"], batch["label"], batch["weight"]
        )
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
        replicate(TrainState.create(params, optimizer), devices),
        replicate({"bias": np.float32(0)}, devices),
        shard(batch, 2),
    )
    assert float(measures["loss"][0]) == 0
    jax.tree.map(np.testing.assert_array_equal, first_copy(state.params), params)


def test_shard_pads_pairs_and_refuses_pictures_that_do_not_divide():
    batch = batch_of(0)
    sharded = shard(batch, 2)
    assert sharded["inputs"].shape == (2, 3, 5, 5, 6) and sharded["pairs"].shape == (2, 8, 2)
    assert sharded["weight"].sum() == batch["weight"].sum() and sharded["weight"][1, -1] == 0
    with pytest.raises(ValueError, match="batch_size=6 and 4 devices"):
        shard(batch, 4)


@pytest.mark.parametrize("mode", ["in_batch", "given"])
@pytest.mark.parametrize("devices", [1, 2])
def test_parts_give_the_losses_and_gradients_of_the_whole_batch(params, mode, devices):
    devices = jax.devices()[:devices]
    whole, states = run(params, devices, mode)
    parts, states_of_parts = run(params, devices, mode, accumulate=3)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    for name in params:
        np.testing.assert_allclose(states_of_parts[1][name], states[1][name], atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_inputs_may_be_a_pytree(params, accumulate):
    def score_of_both(params, statistics, carried, inputs):
        return score(params, statistics, carried, inputs["maps"] * inputs["factor"][:, None, None, None])

    devices, optimizer, batch = jax.devices(), optax.sgd(1.0), batch_of(0)
    factor = np.float32([1, 2, 3, 4, 5, 6])
    ends = []
    for function, inputs in (
        (score, batch["inputs"] * factor[:, None, None, None]),
        (score_of_both, {"maps": batch["inputs"], "factor": factor}),
    ):
        step = make_train_step(function, optimizer, devices, accumulate)
        state, measures = step(
            replicate(TrainState.create(params, optimizer), devices),
            replicate({"bias": np.float32(0.3)}, devices),
            shard(batch | {"inputs": inputs}, 2),
        )
        ends.append((first_copy(state.params), float(measures["loss"][0])))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6), *ends)
    with pytest.raises(ValueError, match="batch_size=6 and 4 devices"):
        shard(batch | {"inputs": inputs}, 4)


def test_running_statistics_and_the_average_move_with_the_steps(params):
    def counted(params, statistics, carried, maps):
        return score(params, {}, carried, maps)[0], {"calls": statistics["calls"] + 1}

    devices, optimizer = jax.devices(), optax.sgd(1.0)
    state = replicate(TrainState.create(params, optimizer, {"calls": np.float32(0)}, average=True), devices)
    step = make_train_step(counted, optimizer, devices, average_decay=0.5)
    expected, previous = params, []
    for seed in range(3):
        state, measures = step(state, replicate({"bias": np.float32(0)}, devices), shard(batch_of(seed), 2))
        previous.append(first_copy(state.params))
        decay = min(0.5, (1 + seed) / (10 + seed))
        expected = jax.tree.map(
            lambda average, new, decay=decay: decay * average + (1 - decay) * new, expected, previous[-1]
        )
    state = first_copy(state)
    assert state.step == 3 and state.statistics["calls"] == 3
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, rtol=1e-5), state.average, expected)
    change = optax.tree.norm(jax.tree.map(np.subtract, previous[1], previous[2]))
    assert float(measures["gradient_norm"][0]) == pytest.approx(float(change), rel=1e-4)


def test_a_process_takes_its_share_of_pairs_and_all_of_its_pictures():
    batch = batch_of(0)
    shares = [shard({**batch, "inputs": batch["inputs"][:3]}, 1, process, 2) for process in range(2)]
    assert shares[0]["inputs"].shape == (1, 3, 5, 5, 6)
    pairs = np.concatenate([share["pairs"][0] for share in shares])
    np.testing.assert_array_equal(pairs[:15], batch["pairs"])
    with pytest.raises(ValueError, match="batch_size=6 and 4 devices"):
        shard({**batch, "inputs": batch["inputs"][:3]}, 2, 0, 2)


@pytest.mark.parametrize("mode, accumulate", [("in_batch", 1), ("given", 3)])
def test_the_step_under_jit_and_shard_map_is_that_under_pmap(params, mode, accumulate):
    devices, optimizer = jax.devices()[:2], optax.adamw(1e-2)
    step = make_train_step(score, optimizer, devices, accumulate=accumulate)
    # The move away from pmap: the step's inner function, and the batch on a mesh of one axis.
    mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
    everywhere, split = P(), P(AXIS)
    inner = jax.shard_map(
        step.__wrapped__, mesh=mesh, in_specs=(everywhere, everywhere, split), out_specs=everywhere, check_vma=False
    )
    moved = jax.jit(inner, donate_argnums=0)
    state = TrainState.create(params, optimizer)
    frozen = {"bias": np.float32(0.3)}
    mapped, placed = replicate(state, devices), jax.device_put(state, jax.NamedSharding(mesh, everywhere))
    for seed in range(3):
        batch = shard(batch_of(seed, mode), 2)
        mapped, measures = step(mapped, replicate(frozen, devices), batch)
        joined = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
        placed, others = moved(placed, frozen, jax.device_put(joined, jax.NamedSharding(mesh, split)))
        jax.tree.map(np.testing.assert_array_equal, first_copy(measures), jax.device_get(others))
    jax.tree.map(np.testing.assert_array_equal, first_copy(mapped), jax.device_get(placed))
