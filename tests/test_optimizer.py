import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from lena_jax.optimizer import learning_rate, make_optimizer


def options(**change):
    return ml_collections.ConfigDict({"learning_rate": 0.1, "warmup": 0.2, "weight_decay": 0.0, "clip_norm": 1e9,
                                      "backbone_rate": 0.5, "pooling_rate": 3.0} | change)


PARAMS = {"head": {"kernel": jnp.ones((4, 1)), "bias": jnp.ones(1)}, "pooling": {"eta": jnp.ones(4)},
          "backbone": {"conv": {"kernel": jnp.ones((3, 3, 2, 2)), "scale": jnp.ones(2)}}}


def first_change(gradient, **change):
    optimizer = make_optimizer(options(warmup=0.0, **change), 10, PARAMS)
    return optimizer.update(gradient, optimizer.init(PARAMS), PARAMS)[0]


def constant(value):
    return {name: {key: (jnp.full_like(leaf, value) if not isinstance(leaf, dict) else
                         {k: jnp.full_like(x, value) for k, x in leaf.items()}) for key, leaf in tree.items()}
            for name, tree in PARAMS.items()}


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    schedule = learning_rate(options(), 100)
    assert [float(schedule(step)) for step in (0, 10, 20)] == pytest.approx([0, 0.05, 0.1])
    assert float(schedule(60)) == pytest.approx(0.05) and float(schedule(100)) == pytest.approx(0, abs=1e-9)
    assert float(learning_rate(options(warmup=0.0), 100)(0)) == pytest.approx(0.1)
    assert np.isfinite(float(learning_rate(options(), 1)(0)))


def test_trunk_pooling_and_head_have_their_own_rates():
    # Adam's first step is the rate times the sign of the gradient.
    change = first_change(constant(0.7))
    np.testing.assert_allclose(change["head"]["kernel"], -0.1, rtol=1e-5)
    np.testing.assert_allclose(change["pooling"]["eta"], -0.3, rtol=1e-5)
    np.testing.assert_allclose(change["backbone"]["conv"]["scale"], -0.05, rtol=1e-5)


def test_decay_touches_kernels_only():
    change = first_change(constant(0.0), weight_decay=0.5)
    np.testing.assert_allclose(change["head"]["kernel"], -0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(change["backbone"]["conv"]["kernel"], -0.05 * 0.5, rtol=1e-5)
    for untouched in (change["head"]["bias"], change["pooling"]["eta"], change["backbone"]["conv"]["scale"]):
        np.testing.assert_array_equal(untouched, 0)


@pytest.mark.parametrize("change, message", [({"learning_rate": 0.0}, "got 0.0 and 0.2"), ({"warmup": 1.0}, "and 1.0")])
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        learning_rate(options(**change), 10)
