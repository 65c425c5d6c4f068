"""LENA pooling on a GPU as one kernel that reads the maps once: a radix search in registers.

A program takes all cells of some channels of one example into registers and finds the threshold bit by bit: it counts
the cells that reach the candidate, 32 times for float32 and 16 times for bfloat16, and never goes back to memory.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from lena_jax.pooling.kernels.shapes import like_maps

MOST_CELLS = 1024
_CELLS_A_PROGRAM = 8192  # 64 registers for each of 128 threads


def search_and_mean(
    cells: jax.Array, n: jax.Array, interpret: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Find the cell of rank `ceil(n)` of every map, and average the `n` largest cells.

    Args:
        cells: `[A, M, K]`, float32 or bfloat16, `M` at most 1024.
        n: `[A, K]`, float32, sizes of the supports in [1, M].
        interpret: run op by op on any device, for tests.

    Returns:
        As `lena_jax.pooling.kernels.tpu.search_and_mean`.
    """
    a, m, k = cells.shape
    rows = pl.next_power_of_2(m)
    lanes = max(16, min(128, _CELLS_A_PROGRAM // rows))
    small = pl.BlockSpec((None, lanes), lambda i, j: (i, j))
    p, key, above, equal = pl.pallas_call(
        functools.partial(_kernel, m=m, k=k, bits=cells.dtype.itemsize * 8),
        grid=(a, pl.cdiv(k, lanes)),
        in_specs=[small, pl.BlockSpec((None, rows, lanes), lambda i, j: (i, 0, j))],
        out_specs=[small] * 4,
        out_shape=[like_maps(n, dtype) for dtype in (jnp.float32, jnp.int32, jnp.int32, jnp.int32)],
        compiler_params=plgpu.CompilerParams(num_warps=4, num_stages=1),
        interpret=interpret,
        name="lena_pool",
    )(n, cells)
    return p.astype(cells.dtype), key.astype(f"int{cells.dtype.itemsize * 8}"), above, equal


def _kernel(n_ref, x_ref, p_ref, key_ref, above_ref, equal_ref, *, m, k, bits):
    rows, lanes = x_ref.shape
    here = pl.program_id(1) * lanes + jnp.arange(lanes) < k
    row = lax.broadcasted_iota(jnp.int32, (rows, lanes), 0)
    n = plgpu.load(n_ref, mask=here, other=1.0)
    z = plgpu.load(x_ref, mask=(row < m) & here[None, :], other=0.0).astype(jnp.float32)
    raw = lax.bitcast_convert_type(z, jnp.int32)
    least = np.int32(-(2**31))
    raw = jnp.where(raw == least, 0, raw)  # -0.0
    shift = 32 - bits
    # Rows that fill up the power of two hold the least key, which no candidate reaches.
    key = jnp.where(row < m, (raw ^ ((raw >> 31) & 0x7FFFFFFF)) >> shift, least)
    rank = jnp.clip(jnp.ceil(n).astype(jnp.int32), 1, m)

    def one_bit(step, t):
        candidate = t + (jnp.int32(1) << (bits - 1 - step))  # Wraps for the highest of 32 bits, from the least to 0.
        count = jnp.sum((key >= candidate[None, :]).astype(jnp.int32), axis=0)
        return jnp.where(count >= rank, candidate, t)

    t_key = lax.fori_loop(0, bits, one_bit, jnp.full((lanes,), -(2 ** (bits - 1)), jnp.int32))
    wide = (t_key << shift) | ((t_key >> 31) & ((1 << shift) - 1))
    t = lax.bitcast_convert_type(wide ^ ((wide >> 31) & 0x7FFFFFFF), jnp.float32)
    from_t, share = jnp.where(jnp.abs(t) < jnp.inf, t, 0.0), 1 / n
    # `not <=` lets NaN through. The division comes before the sum, which could overflow.
    over = jnp.where((z <= t[None, :]) | (row >= m), 0.0, z - from_t[None, :]) * share[None, :]
    found = (
        t + jnp.sum(over, axis=0),
        t_key,
        jnp.sum(((key > t_key[None, :]) & (row < m)).astype(jnp.int32), axis=0),
        jnp.sum(((key == t_key[None, :]) & (row < m)).astype(jnp.int32), axis=0),
    )
    for ref, value in zip((p_ref, key_ref, above_ref, equal_ref), found, strict=True):
        plgpu.store(ref, value, mask=here)
