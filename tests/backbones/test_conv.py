"""The convolution's CPU forms against `lax.conv_general_dilated`, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from sharded_gradient import check_each_shard

from lena_jax.backbones import conv as conv_module
from lena_jax.backbones.conv import conv, plain_conv

NONE = ((0, 0), (0, 0))
CASES = [  # height, width, taps, strides, padding, dilation
    (8, 8, (3, 3), (1, 1), "SAME", (1, 1)),
    (9, 7, (3, 3), (2, 2), "SAME", (1, 1)),
    (8, 10, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    (8, 9, (5, 2), (2, 1), ((2, 0), (0, 3)), (1, 1)),
    (9, 8, (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2)),
    (11, 10, (3, 3), (3, 2), "SAME", (2, 1)),
    (13, 12, (7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1)),
    (14, 15, (11, 11), (4, 4), ((2, 2), (2, 2)), (1, 1)),
    (8, 7, (1, 1), (1, 1), "SAME", (1, 1)),
    (8, 7, (1, 1), (2, 2), NONE, (1, 1)),
    (7, 9, (1, 1), (3, 2), "SAME", (1, 1)),
    (4, 5, (1, 1), (2, 2), ((1, 0), (0, 2)), (1, 1)),
    (5, 6, (5, 6), (1, 1), NONE, (1, 1)),
    (2, 1, (3, 3), (2, 2), "SAME", (1, 1)),
    (10, 9, (2, 2), (4, 3), NONE, (1, 1)),
]


def arrays(height, width, taps, dtype=jnp.float32, channels=16, batch=4):
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.normal(size=(batch, height, width, channels)), dtype),
        jnp.asarray(rng.normal(size=(*taps, channels, 5)), dtype),
    )


def value_and_gradients(function, x, kernel):
    y, pull_back = jax.vjp(function, x, kernel)
    return y, *pull_back(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(y.dtype))


def compare(x, kernel, strides, padding, dilation):
    form = (strides, padding, dilation)
    got, expected = (
        jax.jit(lambda x, k, f=f: value_and_gradients(lambda x, k: f(x, k, *form), x, k))(x, kernel)
        for f in (conv, plain_conv)
    )
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("height, width, taps, strides, padding, dilation", CASES)
def test_equals_the_plain_convolution(height, width, taps, strides, padding, dilation):
    compare(*arrays(height, width, taps), strides, padding, dilation)


# Strips of several pictures, of one, of rows that divide the height, and of rows that do not.
@pytest.mark.parametrize("cells", [130, 63, 30, 5])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_strips_of_any_size(monkeypatch, cells, strides):
    monkeypatch.setattr(conv_module, "STRIP_CELLS", cells)
    compare(*arrays(9, 7, (3, 3)), strides, "SAME", (1, 1))


@pytest.mark.parametrize("channels, strides", [(3, (2, 2)), (1, (1, 1))])
def test_few_channels(channels, strides):
    compare(*arrays(9, 10, (3, 3), channels=channels), strides, "SAME", (1, 1))


def test_no_pictures():
    x, kernel = arrays(6, 6, (3, 3), batch=0)
    y, gradient_x, gradient_kernel = value_and_gradients(conv, x, kernel)
    assert y.shape == (0, 6, 6, 5) and gradient_x.shape == x.shape
    np.testing.assert_array_equal(gradient_kernel, np.zeros(kernel.shape))


def test_each_shard_has_its_own_gradient():
    x, kernel = arrays(6, 6, (3, 3), batch=2)
    check_each_shard(conv, x, kernel)


@pytest.mark.parametrize("taps, strides", [((3, 3), (2, 1)), ((1, 1), (2, 2))])
def test_gradients_are_those_of_finite_differences(taps, strides):
    with jax.enable_x64(True):
        x, kernel = arrays(5, 4, taps, jnp.float64, batch=2)
        check_grads(lambda x, k: conv(x, k, strides), (x, kernel), order=1, modes=["rev"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("taps", [(3, 3), (1, 1)])
def test_bfloat16_sums_in_float32(taps):
    x, kernel = arrays(16, 16, taps, jnp.bfloat16)

    def value_and_gradients_in(dtype):
        y, pull_back = jax.vjp(conv, x.astype(dtype), kernel.astype(dtype))
        g = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(jnp.bfloat16)
        return y, *pull_back(g.astype(dtype))

    got, exact = value_and_gradients_in(jnp.bfloat16), value_and_gradients_in(jnp.float32)
    for a, b in zip(got, exact, strict=True):
        assert a.dtype == jnp.bfloat16
        # One rounding to 8 bits at the end.
        np.testing.assert_allclose(np.asarray(a, np.float32), b, rtol=2**-8, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("platform, convolutions", [("cpu", 0), ("cuda", 3), ("tpu", 3)])
def test_the_form_follows_the_platform_compiled_for(platform, convolutions):
    x, kernel = arrays(8, 8, (1, 1))
    loss = jax.jit(jax.value_and_grad(lambda x, k: jnp.square(conv(x, k)).sum(), argnums=(0, 1)))
    text = jax.export.export(loss, platforms=[platform])(x, kernel).mlir_module()
    assert text.count("stablehlo.convolution") == convolutions


def test_the_gradient_of_the_pictures_is_computed_only_if_asked_for():
    x, kernel = arrays(8, 8, (3, 3))
    loss = jax.jit(jax.grad(lambda x, k: jnp.square(conv(x, k)).sum(), argnums=1))
    assert loss.lower(x, kernel).compile().as_text().count(" convolution(") == 1


@pytest.mark.parametrize(
    "x, kernel, options, message",
    [
        ((1, 4, 4, 3), (3, 3, 1, 4), {}, "kernel"),
        ((4, 4, 3), (3, 3, 3, 1), {}, "kernel"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"strides": (0, 1)}, "strides"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"dilation": (1,)}, "dilation"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"padding": "VALID"}, "padding"),
        ((1, 4, 4, 3), (3, 3, 3, 2), {"padding": ((-1, 0), (0, 0))}, "padding"),
        ((1, 4, 4, 3), (5, 5, 3, 2), {"padding": NONE}, "at least"),
    ],
)
def test_refuses_what_does_not_belong_together(x, kernel, options, message):
    with pytest.raises(ValueError, match=f"got .*{message}"):
        conv(jnp.zeros(x), jnp.zeros(kernel), **options)
