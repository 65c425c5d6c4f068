import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from lena_jax.train.optimizer import learning_rate, make_optimizer, rates


def options(**change):
    return ml_collections.ConfigDict(
        {
            "learning_rate": 0.1,
            "warmup": 0.2,
            "weight_decay": 0.0,
            "clip_norm": 1e9,
            "backbone_rate": 0.5,
            "pooling_rate": 3.0,
            "bias_rate": 1.0,
            "stage_decay": 1.0,
            "backbone_decay": 1.0,
            "name": "adamw",
            "schedule": "cosine",
            "momentum": 0.9,
            "decay_every": 40,
            "decay_factor": 0.1,
        }
        | change
    )


PARAMS = {
    "head": {"kernel": jnp.ones((4, 1)), "bias": jnp.ones(1)},
    "pooling": {"eta": jnp.ones(4)},
    "backbone": {"conv": {"kernel": jnp.ones((3, 3, 2, 2)), "scale": jnp.ones(2)}},
}


def first_change(gradient, **change):
    optimizer = make_optimizer(options(warmup=0.0, **change), 10, PARAMS)
    return optimizer.update(gradient, optimizer.init(PARAMS), PARAMS)[0]


def constant(value):
    return {
        name: {
            key: (
                jnp.full_like(leaf, value)
                if not isinstance(leaf, dict)
                else {k: jnp.full_like(x, value) for k, x in leaf.items()}
            )
            for key, leaf in tree.items()
        }
        for name, tree in PARAMS.items()
    }


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    schedule = learning_rate(options(), 100)
    assert [float(schedule(step)) for step in (0, 10, 20)] == pytest.approx([0, 0.05, 0.1])
    assert float(schedule(60)) == pytest.approx(0.05) and float(schedule(100)) == pytest.approx(0, abs=1e-9)
    assert float(learning_rate(options(warmup=0.0), 100)(0)) == pytest.approx(0.1)
    assert np.isfinite(float(learning_rate(options(), 1)(0)))


def test_backbone_pooling_and_head_have_their_own_rates():
    # Adam's first step is the rate times the sign of the gradient.
    change = first_change(constant(0.7))
    np.testing.assert_allclose(change["head"]["kernel"], -0.1, rtol=1e-5)
    np.testing.assert_allclose(change["pooling"]["eta"], -0.3, rtol=1e-5)
    np.testing.assert_allclose(change["backbone"]["conv"]["scale"], -0.05, rtol=1e-5)


def test_the_backbone_can_decay_by_a_share():
    change = first_change(constant(0.0), weight_decay=0.5, backbone_decay=0.1)
    np.testing.assert_allclose(change["head"]["kernel"], -0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(change["backbone"]["conv"]["kernel"], -0.05 * 0.5 * 0.1, rtol=1e-5)


def test_decay_touches_kernels_only():
    change = first_change(constant(0.0), weight_decay=0.5)
    np.testing.assert_allclose(change["head"]["kernel"], -0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(change["backbone"]["conv"]["kernel"], -0.05 * 0.5, rtol=1e-5)
    for untouched in (change["head"]["bias"], change["pooling"]["eta"], change["backbone"]["conv"]["scale"]):
        np.testing.assert_array_equal(untouched, 0)


def test_the_step_schedule_falls_by_its_factor_counted_from_the_first_step():
    schedule = learning_rate(options(schedule="step", warmup=0.0), 100)
    assert [float(schedule(step)) for step in (0, 39, 40, 80)] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    schedule = learning_rate(options(schedule="step"), 100)
    assert [float(schedule(step)) for step in (0, 10, 20, 39, 40)] == pytest.approx([0, 0.05, 0.1, 0.1, 0.01])


def test_early_stages_learn_slower_and_biases_faster():
    params = {
        "head": {"kernel": 0.0, "bias": 0.0},
        "pooling": {"eta": 0.0},
        "backbone": {
            "stem": {"kernel": 0.0},
            "stage1_block0": {"conv": {"kernel": 0.0, "bias": 0.0}},
            "head": {"kernel": 0.0},
        },
    }
    config = options(stage_decay=0.5, bias_rate=2.0)
    assert rates(config, params, ("stem", "stage1", "head")) == {
        "head": {"kernel": 1.0, "bias": 2.0},
        "pooling": {"eta": 3.0},
        "backbone": {
            "stem": {"kernel": 0.125},
            "stage1_block0": {"conv": {"kernel": 0.25, "bias": 0.5}},
            "head": {"kernel": 0.5},
        },
    }
    # The last stage that exists has the full rate, even if the backbone ends early or is trained in part.
    del params["backbone"]["head"]
    assert rates(config, params, ("stem", "stage1", "head"))["backbone"]["stem"]["kernel"] == 0.25


def test_sgd_is_caffes():
    """Against the solver's rule, written down step by step."""
    config = options(
        name="sgd", schedule="step", warmup=0.0, weight_decay=0.05, clip_norm=0.0, bias_rate=2.0, decay_every=3
    )
    optimizer = make_optimizer(config, 10, PARAMS)
    state, params = optimizer.init(PARAMS), PARAMS
    weight, bias, eta, velocity = 1.0, 1.0, 1.0, [0.0, 0.0, 0.0]
    for step in range(7):
        updates, state = optimizer.update(constant(0.3), state, params)
        params = optax.apply_updates(params, updates)
        rate = 0.1 * 0.1 ** (step // 3)
        velocity = [
            0.9 * velocity[0] + rate * (0.3 + 0.05 * weight),
            0.9 * velocity[1] + 2 * rate * 0.3,
            0.9 * velocity[2] + 3 * rate * 0.3,
        ]
        weight, bias, eta = weight - velocity[0], bias - velocity[1], eta - velocity[2]
    np.testing.assert_allclose(params["head"]["kernel"], weight, rtol=1e-5)
    np.testing.assert_allclose(params["head"]["bias"], bias, rtol=1e-5)
    np.testing.assert_allclose(params["pooling"]["eta"], eta, rtol=1e-5)


def test_gradients_are_clipped_to_one_norm_for_all():
    change = first_change(constant(5.0), name="sgd", clip_norm=1.0)
    norm = float(optax.tree.norm(jax.tree.map(lambda update, rate: update / rate, change, rates(options(), PARAMS))))
    assert norm == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "adam"}, "got optimizer.name 'adam', expected 'adamw' or 'sgd'"),
        ({"clip_norm": -1.0}, "optimizer.clip_norm must be at least 0, got -1.0"),
        ({"momentum": 9.0}, r"optimizer.momentum must be in \[0, 1\), got 9.0"),
        ({"weight_decay": -1.0}, "optimizer.weight_decay must be at least 0, got -1.0"),
        ({"backbone_decay": -1.0}, "optimizer.backbone_decay must be at least 0, got -1.0"),
        ({"pooling_rate": -1.0}, "optimizer.pooling_rate must be at least 0, got -1.0"),
        ({"stage_decay": 0.0}, r"optimizer.stage_decay must be in \(0, 1\], got 0.0"),
    ],
)
def test_an_optimizer_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        first_change(constant(0.0), **change)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"learning_rate": 0.0}, "got 0.0 and 0.2"),
        ({"warmup": 1.0}, "and 1.0"),
        ({"schedule": "linear"}, "got optimizer.schedule 'linear'"),
        ({"schedule": "step", "decay_every": 0}, "got 0 and 0.1"),
        ({"schedule": "step", "decay_factor": 2.0}, "got 40 and 2.0"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        learning_rate(options(**change), 10)
