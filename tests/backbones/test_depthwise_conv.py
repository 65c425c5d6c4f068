"""The shifted-sum form of the depthwise convolution against the grouped one, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sharded_gradient import check_each_shard

from lena_jax.backbones import depthwise
from lena_jax.backbones.depthwise import depthwise_conv

CASES = [  # height, width, taps, strides, dilation
    (8, 8, 3, (1, 1), (1, 1)),
    (9, 7, 5, (2, 2), (1, 1)),
    (8, 10, 5, (2, 2), (1, 1)),
    (8, 9, 3, (2, 1), (1, 1)),
    (7, 8, 5, (1, 1), (2, 2)),
    (7, 8, 1, (2, 2), (1, 1)),
    (7, 8, 3, (3, 2), (2, 1)),
    (3, 2, 5, (2, 2), (1, 1)),
    (2, 1, 5, (1, 1), (2, 2)),
    (9, 8, 2, (3, 3), (1, 1)),
    (5, 5, 3, (2, 2), (2, 2)),
]


def arrays(height, width, taps, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.normal(size=(3, height, width, 4)), dtype),
        jnp.asarray(rng.normal(size=(taps, taps, 1, 4)), dtype),
    )


def value_and_gradients(conv, x, kernel):
    y, pull_back = jax.vjp(conv, x, kernel)
    return y, *pull_back(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(y.dtype))


@pytest.mark.parametrize("height, width, taps, strides, dilation", CASES)
def test_equals_the_grouped_convolution(height, width, taps, strides, dilation):
    x, kernel = arrays(height, width, taps)
    got = value_and_gradients(lambda x, k: depthwise_conv(x, k, strides, dilation), x, kernel)
    expected = value_and_gradients(lambda x, k: depthwise.grouped_depthwise_conv(x, k, strides, dilation), x, kernel)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_equals_the_definition():
    x, kernel = arrays(5, 6, 3)
    padded, taps = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), np.asarray(kernel)
    expected = [
        [sum(padded[:, i + r, j + c] * taps[r, c, 0] for r in range(3) for c in range(3)) for j in range(6)]
        for i in range(5)
    ]
    expected = np.transpose(expected, (2, 0, 1, 3))
    np.testing.assert_allclose(depthwise_conv(x, kernel), expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_sums_in_float32():
    x, kernel = arrays(16, 16, 5, jnp.bfloat16)
    g = jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape).astype(jnp.bfloat16)

    def value_and_gradients_in(dtype):
        y, pull_back = jax.vjp(depthwise_conv, x.astype(dtype), kernel.astype(dtype))
        return y, *pull_back(g.astype(dtype))

    got, exact = value_and_gradients_in(jnp.bfloat16), value_and_gradients_in(jnp.float32)
    for a, b in zip(got, exact, strict=True):
        assert a.dtype == jnp.bfloat16
        # One rounding to 8 bits at the end.
        np.testing.assert_allclose(np.asarray(a, np.float32), b, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("platform, grouped", [("cpu", False), ("cuda", True), ("tpu", True)])
def test_the_form_follows_the_platform_compiled_for(platform, grouped):
    x, kernel = arrays(8, 8, 3)
    loss = jax.jit(jax.grad(lambda x, k: depthwise_conv(x, k).sum(), argnums=(0, 1)))
    text = jax.export.export(loss, platforms=[platform])(x, kernel).mlir_module()
    assert ("stablehlo.convolution" in text) == grouped


def test_under_pmap_and_vmap():
    x, kernel = arrays(8, 8, 3)
    x = jnp.stack([x, x + 1])
    expected = jnp.stack([depthwise_conv(part, kernel) for part in x])
    for mapped in (jax.pmap, jax.vmap):
        got = mapped(lambda part: depthwise_conv(part, kernel))(x)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_each_shard_has_its_own_gradient():
    x, kernel = arrays(8, 8, 3)
    check_each_shard(depthwise_conv, x[:2], kernel)


@pytest.mark.parametrize(
    "x, kernel, options",
    [
        ((1, 4, 4, 3), (3, 3, 1, 4), {}),
        ((1, 4, 4, 3), (3, 3, 3, 1), {}),
        ((4, 4, 3), (3, 3, 1, 3), {}),
        ((1, 4, 4, 3), (3, 3, 1, 3), {"strides": (0, 1)}),
        ((1, 4, 4, 3), (3, 3, 1, 3), {"dilation": (1,)}),
    ],
)
def test_refuses_what_does_not_belong_together(x, kernel, options):
    with pytest.raises(ValueError, match="got .*expected"):
        depthwise_conv(jnp.zeros(x), jnp.zeros(kernel), **options)
