import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.backbones import attention


def oracle(q, k, v):
    """Attention in float64."""
    q, k, v = (np.asarray(one.astype(jnp.float32), np.float64) for one in (q, k, v))
    weights = np.exp(np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(q.shape[-1]))
    return np.einsum("bhts,bshd->bthd", weights / weights.sum(-1, keepdims=True), v)


def tokens(dtype, count=7):
    return [jax.random.normal(jax.random.key(number), (2, count, 3, 16), dtype) for number in range(3)]


@pytest.mark.parametrize(("dtype", "error"), [(jnp.float32, 1e-6), (jnp.bfloat16, 5e-3)])
def test_it_is_the_formula(dtype, error):
    qkv = tokens(dtype)
    result = attention.attention(*qkv)
    assert result.dtype == dtype
    expected = oracle(*qkv)
    assert np.linalg.norm(np.asarray(result, np.float64) - expected) < error * np.linalg.norm(expected)


def test_a_hopper_gpu_takes_fused_kernels_in_16_bits_and_other_devices_beside_it_do_not(monkeypatch):
    """This machine's processor stands for a device beside the GPU; what the GPU gets is seen as it is traced."""
    seen = []

    def fused(q, k, v, **options):
        if options.pop("implementation") == "cudnn":
            seen.append((q.shape[1], sorted(options)))
        return usual(q, k, v)

    usual = jax.nn.dot_product_attention
    expected = {count: attention.attention(*tokens(jnp.bfloat16, count)) for count in (6, 7)}
    monkeypatch.setattr(jax.nn, "dot_product_attention", fused)
    monkeypatch.setattr(attention, "_hopper", lambda: True)
    attention.attention(*tokens(jnp.float32))
    assert not seen  # cuDNN has no float32.
    for count in (6, 7):
        result = jax.jit(lambda *qkv: attention.attention(*qkv))(*tokens(jnp.bfloat16, count))
        np.testing.assert_array_equal(np.asarray(result), np.asarray(expected[count]))
    assert seen == [(6, []), (8, ["key_value_seq_lengths", "query_seq_lengths"])]
