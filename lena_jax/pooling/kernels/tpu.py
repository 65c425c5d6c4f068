"""LENA pooling on a TPU as one kernel that reads the maps once: a radix search in bit planes.

The cells of 8 x 128 maps lie in the fast memory, one vector register for each cell. The bits of 32 cells are transposed
within registers: 32 integers of 32 bits become 32 planes, the first with the highest bits of all 32 cells, and so on.
A step of the search, one bit of the threshold, then reads one plane: of the cells that agree with the bits found so
far, it counts those whose next bit is set (`and`, `population_count`): seven registers for 196 cells. Transposing takes
15 operations a cell and all 32 steps of the search together 6, where comparing and counting would take 96.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from lena_jax.pooling.kernels.shapes import like_maps

ROWS, LANES = 8, 128
MOST_CELLS = 1024  # The cells of 8 x 128 maps in float32, twice, take half of the fast memory a kernel may use.
_SIGN = np.int32(-(2**31))


def search_and_mean(
    cells: jax.Array, n: jax.Array, interpret: bool = False
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Find the cell of rank `ceil(n)` of every map, and average the `n` largest cells.

    Args:
        cells: `[M, A, K]`, float32 or bfloat16, `M` at most 1024.
        n: `[A, K]`, float32, sizes of the supports in [1, M].
        interpret: run op by op on any device, for tests.

    Returns:
        The averages in the dtype of `cells`, and what `selection.Found` has: the ordered integer of the cell of rank
        `ceil(n)` (int32 or int16), how many cells are larger and how many are equal (int32); all `[A, K]`.
    """
    m, a, k = cells.shape
    bits = cells.dtype.itemsize * 8
    words = pl.cdiv(m, 1024 // bits)
    small = pl.BlockSpec((ROWS, LANES), lambda i, j: (i, j))
    p, key, above, equal = pl.pallas_call(
        functools.partial(_kernel, m=m, bits=bits, words=words),
        grid=(pl.cdiv(a, ROWS), pl.cdiv(k, LANES)),
        in_specs=[small, pl.BlockSpec((m, ROWS, LANES), lambda i, j: (0, i, j))],
        out_specs=[small] * 4,
        out_shape=[like_maps(n, dtype) for dtype in (jnp.float32, jnp.int32, jnp.int32, jnp.int32)],
        scratch_shapes=[pltpu.VMEM((32, words, ROWS, LANES), jnp.int32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "parallel")),
        cost_estimate=pl.CostEstimate(
            flops=30 * m * a * k, transcendentals=0, bytes_accessed=cells.size * cells.dtype.itemsize + 20 * a * k
        ),
        interpret=interpret,
        name="lena_pool",
    )(n, cells)
    return p.astype(cells.dtype), key.astype(f"int{bits}"), above, equal


def _kernel(n_ref, x_ref, p_ref, key_ref, above_ref, equal_ref, planes, *, m, bits, words):
    each = 1024 // bits  # Cells whose bits fill a block of 32 registers.
    _fill_planes(x_ref, planes, m, bits, words, each)
    n = n_ref[...]
    k = jnp.clip(jnp.ceil(n).astype(jnp.int32), 1, m)
    halves = 32 // bits

    def one_bit(step, carry):
        key, above, *active = carry
        here = [planes[bits * half + bits - 1 - step, w] for half in range(halves) for w in range(words)]
        with_bit = [one & plane for one, plane in zip(active, here, strict=True)]
        count = above + _sum(lax.population_count(one) for one in with_bit)
        taken = count >= k
        active = [jnp.where(taken, one, old ^ one) for one, old in zip(with_bit, active, strict=True)]
        key = jnp.where(taken, key | lax.shift_left(jnp.int32(1), bits - 1 - step), key)
        return key, jnp.where(taken, above, count), *active

    zero = jnp.zeros((ROWS, LANES), jnp.int32)
    start = [jnp.full((ROWS, LANES), bit_set, jnp.int32) for bit_set in _filled(m, halves, words)]
    key, above, *active = lax.fori_loop(0, bits, one_bit, (zero, zero, *start))
    above_ref[...], equal_ref[...] = above, _sum(lax.population_count(one) for one in active)
    # From unsigned back to signed integers of the same order.
    key = (key ^ _SIGN) if bits == 32 else key - 2**15
    key_ref[...] = key

    wide = key if bits == 32 else lax.shift_left(key, 16) | ((key >> 31) & 0xFFFF)
    t = lax.bitcast_convert_type(wide ^ ((wide >> 31) & 0x7FFFFFFF), jnp.float32)
    from_t = jnp.where(jnp.abs(t) < jnp.inf, t, 0.0)
    share = 1 / n

    def some(start, cells, total):
        for i in range(cells):
            z = x_ref[start + i].astype(jnp.float32)
            # `not <=` lets NaN through. The division comes before the sum, which could overflow.
            total[i % 4] = total[i % 4] + jnp.where(z <= t, 0.0, z - from_t) * share
        return total

    total = [jnp.zeros(n.shape, jnp.float32)] * 4
    total = lax.fori_loop(0, m // 16, lambda j, total: some(16 * j, 16, list(total)), total)
    p_ref[...] = t + _sum(some(m - m % 16, m % 16, list(total)))


def _fill_planes(x_ref, planes, m, bits, words, each):
    """Write `planes[b, w]`, whose bit `i` is bit `b` of the ordered key of a cell of word `w`."""

    def keys_of(start, cells):
        keys = _key(x_ref[pl.ds(start, cells)], bits)
        return jnp.concatenate([keys, jnp.zeros((32 - cells, ROWS, LANES), jnp.int32)]) if cells < 32 else keys

    def words_of(start, cells):
        """32 integers with the keys of up to `each` cells from `start` on: of one cell each, or of two."""
        keys = keys_of(start, min(cells, 32))
        return keys | lax.shift_left(keys_of(start + 32, cells - 32), 16) if cells > 32 else keys

    def whole(w, carry):
        planes[:, w] = _transposed(words_of(each * w, each))
        return carry

    lax.fori_loop(0, m // each, whole, 0)
    if m % each:
        planes[:, words - 1] = _transposed(words_of(m - m % each, m % each))


def _filled(m, halves, words):
    """The bits of the words that stand for a cell, as `one_bit` orders words, as int32."""
    sets = []
    for half in range(halves):
        for w in range(words):
            cells = min(max(m - 32 * (halves * w + half), 0), 32)
            sets.append(np.uint32((1 << cells) - 1).astype(np.int32))
    return sets


def _key(z, bits):
    """The key of `selection.ordered` as an unsigned integer of `bits` bits, in int32."""
    raw = lax.bitcast_convert_type(z.astype(jnp.float32), jnp.int32)
    raw = jnp.where(raw == _SIGN, 0, raw)  # -0.0
    key = raw ^ ((raw >> 31) | _SIGN)
    return key if bits == 32 else lax.shift_right_logical(key, 16)


def _transposed(rows):
    """Transpose the bits of `rows`, 32 x 32 of them: bit `i` of `result[b]` is bit `b` of `rows[i]`."""
    shape = rows.shape
    for s, mask in ((16, 0x0000FFFF), (8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        pairs = rows.reshape(16 // s, 2, s, *shape[1:])
        low, high = pairs[:, 0], pairs[:, 1]
        swap = (lax.shift_right_logical(low, s) ^ high) & mask
        rows = jnp.stack([low ^ lax.shift_left(swap, s), high ^ swap], axis=1).reshape(shape)
    return rows


def _sum(terms):
    return functools.reduce(jnp.add, terms)
