"""Attention: on a Hopper GPU in 16 bits by cuDNN's fused kernels, elsewhere as XLA writes it."""

import functools

import jax
import jax.numpy as jnp

_xla = functools.partial(jax.nn.dot_product_attention, implementation="xla")


def _cudnn(q, k, v):
    tokens = q.shape[1]
    if not tokens % 2:
        return jax.nn.dot_product_attention(q, k, v, implementation="cudnn")
    # JAX has no gradient of an odd number of tokens: one more, which nobody looks at.
    q, k, v = (jnp.pad(one, ((0, 0), (0, 1), (0, 0), (0, 0))) for one in (q, k, v))
    lengths = jnp.full(len(q), tokens, jnp.int32)
    padded = jax.nn.dot_product_attention(
        q, k, v, query_seq_lengths=lengths, key_value_seq_lengths=lengths, implementation="cudnn"
    )
    return padded[:, :tokens]


def attention(q, k, v):
    """Return `softmax(q k^T / sqrt(D)) v` for every head, as `jax.nn.dot_product_attention` does.

    XLA's form writes all `T x T` weights to memory, cuDNN's does not. cuDNN knows float16 and bfloat16 only, and head
    sizes that 8 divides. It was measured on an H200 alone (docs/backbones.md), so other GPUs keep XLA's form.

    Args:
        q, k, v: `[B, T, heads, D]`, of one floating-point type.

    Returns:
        `[B, T, heads, D]` in that type.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.backbones.attention import attention
        >>> attention(*[jnp.ones((2, 5, 3, 8))] * 3).shape
        (2, 5, 3, 8)
    """
    if q.dtype in (jnp.bfloat16, jnp.float16) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 128 and _hopper():
        return jax.lax.platform_dependent(q, k, v, cuda=_cudnn, default=_xla)
    return _xla(q, k, v)


@functools.cache
def _hopper():
    """Return whether the GPUs of this process are of compute capability 9.0, with cuDNN."""
    if jax.default_backend() != "gpu":
        return False
    return all(getattr(device, "compute_capability", "") == "9.0" for device in jax.local_devices())
