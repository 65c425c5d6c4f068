import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.models.siamese import AXIS, SiameseRanker, objectness_grid
from lena_jax.pooling import AveragePool, LENAPool


def fused(fusion, inputs):
    """The maps that are pooled, and the score with average pooling, kernel 1, 2, 3, ... and bias 10."""
    network = SiameseRanker(backbone=None, pooling=AveragePool(), fusion=fusion)
    maps = network.apply({}, inputs, method="fused")
    kernel = np.arange(1.0, maps.shape[-1] + 1, dtype=np.float32)[:, None]
    head = {"params": {"head": {"kernel": kernel, "bias": np.float32([10])}}}
    return np.asarray(maps), np.asarray(network.apply(head, inputs, method="score"))


def test_fusions_by_hand():
    rng = np.random.default_rng(0)
    feature_map = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    objectness = rng.integers(0, 256, (2, 64, 64), dtype=np.uint8)
    cells = objectness.reshape(2, 4, 16, 4, 16).mean((2, 4))[..., None] / 255
    inputs = {"feature_map": feature_map, "objectness": objectness}
    maps, scores = fused("concat", inputs)
    np.testing.assert_array_equal(maps[..., :3], feature_map)
    np.testing.assert_allclose(maps[..., 3:], cells, atol=1e-6)
    np.testing.assert_allclose(scores, 10 + maps.mean((1, 2)) @ [1, 2, 3, 4], atol=1e-5)
    maps, scores = fused("gate", inputs)
    np.testing.assert_allclose(maps, feature_map * cells, atol=1e-6)
    np.testing.assert_allclose(scores, 10 + (feature_map * cells).mean((1, 2)) @ [1, 2, 3], atol=1e-5)
    np.testing.assert_array_equal(fused("none", feature_map)[0], feature_map)


def test_an_open_gate_changes_nothing_and_a_shut_one_leaves_the_bias():
    feature_map = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    for level, expected in ((255, fused("none", feature_map)[1]), (0, [10, 10])):
        objectness = np.full((2, 64, 64), level, np.uint8)
        scores = fused("gate", {"feature_map": feature_map, "objectness": objectness})[1]
        np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("fusion", ["concat", "gate"])
def test_fused_maps_have_the_type_of_the_features(fusion, dtype):
    inputs = {"feature_map": jnp.ones((1, 2, 2, 3), dtype), "objectness": jnp.zeros((1, 64, 64), jnp.uint8)}
    maps = SiameseRanker(backbone=None, pooling=AveragePool(), fusion=fusion).apply({}, inputs, method="fused")
    assert maps.dtype == dtype


def test_a_grid_worked_by_hand():
    # Three columns on two cells: the middle one is shared. Two rows on one.
    maps = np.array([[[0, 60, 120], [30, 90, 255]]], np.uint8)
    left, right = (0 + 30 + (60 + 90) / 2) / 3 / 255, (120 + 255 + (60 + 90) / 2) / 3 / 255
    np.testing.assert_allclose(objectness_grid(maps, 1, 2), [[[left, right]]], rtol=1e-6)


@pytest.mark.parametrize("h, w", [(1, 1), (7, 7), (14, 14), (8, 3), (64, 64), (5, 96), (13, 2)])
def test_a_grid_is_the_exact_area_average(h, w):
    maps = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
    # Cut into pieces so small that each belongs to one cell.
    pieces = np.repeat(np.repeat(maps.astype(np.float64), h, 1), w, 2)
    slow = pieces.reshape(3, h, 64, w, 48).mean((2, 4)) / 255
    fast = jax.jit(objectness_grid, static_argnums=(1, 2))(maps, h, w)
    assert fast.dtype == np.float32 and fast.shape == (3, h, w)
    np.testing.assert_allclose(fast, slow, atol=1e-6)
    np.testing.assert_allclose(objectness_grid(maps / np.float32(255), h, w), slow, atol=1e-6)


def test_a_grid_stays_within_0_and_1():
    for level, value in ((0, 0.0), (255, 1.0)):
        pooled = np.asarray(objectness_grid(np.full((2, 64, 64), level, np.uint8), 7, 11))
        assert pooled.min() >= 0 and pooled.max() <= 1
        np.testing.assert_allclose(pooled, value, atol=1e-6)


@pytest.mark.parametrize(
    "maps, grid, message",
    [
        (np.zeros((64, 64), np.uint8), (7, 7), r"got maps \(64, 64\) uint8"),
        (np.zeros((1, 64, 64), np.int32), (7, 7), "int32, expected .* uint8 or floating point"),
        (np.zeros((1, 64, 64), np.uint8), (0, 7), "a grid of 0 x 7 cells"),
    ],
)
def test_what_is_no_map_or_no_grid_is_refused(maps, grid, message):
    with pytest.raises(ValueError, match=message):
        objectness_grid(maps, *grid)


def spread_network():
    rng = np.random.default_rng(0)
    maps = (rng.normal(size=(64, 3, 3, 5)) * [1, 2, 3, 4, 0]).astype(np.float32)
    network = SiameseRanker(backbone=None, pooling=LENAPool(init_share=0.5), equal_spread=True)
    return network, network.init(jax.random.key(0), maps, method="score"), maps


def trained_scores(network, variables, maps):
    """Score as a training step does, on one device; return the scores and the new variances."""
    step = jax.vmap(
        lambda part: network.apply(variables, part, train=True, mutable=["spread"], method="score"), axis_name=AXIS
    )
    scores, moved = step(maps.reshape(2, -1, *maps.shape[1:]))
    return scores.reshape(-1), moved["spread"]["spread"]["variance"][0]


def test_features_enter_the_head_at_equal_spread_over_all_devices():
    network, variables, maps = spread_network()
    pooled = np.asarray(network.apply(variables, maps, method="pooled"))
    scores, variance = trained_scores(network, variables, maps)
    spread = pooled.std(0)
    spread[4] = 1e-3 * np.sqrt((spread**2).mean())  # A dead channel is not blown up.
    kernel = np.asarray(variables["params"]["head"]["kernel"])[:, 0]
    np.testing.assert_allclose(scores, pooled / spread @ kernel, rtol=1e-4)
    np.testing.assert_allclose(variance, 0.9 + 0.1 * pooled.var(0), rtol=1e-4)


def test_evaluation_divides_by_the_kept_spread():
    network, variables, maps = spread_network()
    kept = np.array([1.0, 4.0, 9.0, 16.0, 25.0], np.float32)
    pooled = np.asarray(network.apply(variables, maps, method="pooled"))
    scores = network.apply({**variables, "spread": {"spread": {"variance": kept}}}, maps, method="score")
    kernel = np.asarray(variables["params"]["head"]["kernel"])[:, 0]
    np.testing.assert_allclose(scores, pooled / np.sqrt(kept) @ kernel, rtol=1e-4)


def test_the_gradient_of_a_support_knows_that_the_spread_follows_it():
    network, variables, maps = spread_network()
    weight = np.random.default_rng(1).normal(size=64).astype(np.float32)

    def loss(eta):
        params = variables["params"] | {"pooling": {"eta": eta}}
        return trained_scores(network, {**variables, "params": params}, maps)[0] @ weight

    eta = variables["params"]["pooling"]["eta"] + np.float32(0.1)
    step = np.float32(1e-2) * np.eye(5, dtype=np.float32)
    slopes = [(loss(eta + one) - loss(eta - one)) / 2e-2 for one in step]
    np.testing.assert_allclose(jax.grad(loss)(eta), slopes, rtol=0.05, atol=1e-3)
