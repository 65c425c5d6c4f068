"""Find the k-th largest cell of every map without sorting: a radix search that counts cells in small integers.

Floats become integers of the same order, and the integer of the k-th largest cell is found eight bits at a time, the
highest bits first. For each eight bits, one pass writes them as an int8 for every cell, clipped to the cells that agree
with the bits found so far; eight passes over these bytes then find the bits by bisection. The number of passes depends
on the dtype alone (36 for float32, 18 for bfloat16), never on the values, and the result is exact for every float.
Counts fit in a byte, so a pass costs about a third of averaging the floats.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

GROUP = 255  # The most cells whose count fits in a uint8.


class Found(NamedTuple):
    """The k-th largest cells, `[A, K]` each.

    Attributes:
        key: their ordered integers, see `ordered`.
        above: how many cells of the map are larger.
        equal: how many cells of the map are equal, themselves included.
    """

    key: jax.Array
    above: jax.Array
    equal: jax.Array


def ordered(cells: jax.Array, valid: jax.Array | None = None) -> jax.Array:
    """Map floats to signed integers of the same order: both zeros are equal, NaN lies beyond the infinities.

    Cells that are not `valid` get the least integer, which is below -inf.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import selection
        >>> key = selection.ordered(jnp.array([2.0, -1.0, -0.0, 0.0]))
        >>> bool(key[1] < key[2]), bool(key[2] == key[3]), bool(key[3] < key[0])
        (True, True, True)
    """
    key = _flip(lax.bitcast_convert_type(cells, jnp.dtype(f"int{cells.dtype.itemsize * 8}")))
    key = jnp.where(key == -1, 0, key)  # -0.0
    return key if valid is None else jnp.where(valid, key, jnp.iinfo(key.dtype).min)


def to_float(key: jax.Array, dtype: DTypeLike) -> jax.Array:
    """Map `ordered` integers back to floats.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import selection
        >>> selection.to_float(selection.ordered(jnp.array([2.0, -1.5])), jnp.float32)
        Array([ 2. , -1.5], dtype=float32)
    """
    return lax.bitcast_convert_type(_flip(key), dtype)


def kth_largest(cells: jax.Array, k: jax.Array, valid: jax.Array | None = None) -> Found:
    """Find the `k`-th largest cell of every map.

    Args:
        cells: `[A, M, K]`, floating point.
        k: integers `[A, K]` from 1 to the number of cells that count.
        valid: which cells count, booleans `[A, M, K]`, or None for all.

    Returns:
        The `Found` cells; `to_float(found.key, cells.dtype)` are their values.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import selection
        >>> cells = jnp.array([3.0, 1.0, 2.0, 2.0]).reshape(1, 4, 1)
        >>> found = selection.kth_largest(cells, jnp.array([[2]]))
        >>> selection.to_float(found.key, jnp.float32), int(found.above[0, 0]), int(found.equal[0, 0])
        (Array([[2.]], dtype=float32), 1, 2)
    """
    a, m, channels = cells.shape
    groups = -(-m // GROUP)
    each = -(-m // groups)
    small = jnp.uint8 if groups == 1 else jnp.int32
    k = k.astype(small)
    key = ordered(cells, valid)
    bits = key.dtype.itemsize * 8

    def eight_bits(step: jax.Array, base: jax.Array) -> jax.Array:
        shift = (bits - 8 - 8 * step).astype(key.dtype)
        low = (base >> shift)[:, None]
        digit = (jnp.clip(key >> shift, low, low + 255) - (low + 128)).astype(jnp.int8)
        # Cells that fill up the last group hold the least digit, which no candidate reaches.
        digit = jnp.pad(digit, ((0, 0), (0, groups * each - m), (0, 0)), constant_values=-128)
        # Without the barrier, every count would recompute the digits.
        digit = lax.optimization_barrier(digit.reshape(a * groups, each, channels))

        def one_bit(i: jax.Array, found: jax.Array) -> jax.Array:
            candidate = found ^ (jnp.int8(1) << (7 - i).astype(jnp.int8))
            if groups == 1:
                count = lax.platform_dependent(digit, candidate, cpu=_count_unrolled, default=_count)
            else:
                count = _count(digit, jnp.repeat(candidate, groups, axis=0))
                count = count.reshape(a, groups, channels).sum(1, dtype=small)
            # Only one result: for a second one, XLA on CPU would count again.
            return jnp.where(count >= k, candidate, found)

        found = lax.fori_loop(0, 8, one_bit, jnp.full(k.shape, -128, jnp.int8))
        return base + ((found.astype(key.dtype) + 128) << shift)

    least = jnp.full(k.shape, jnp.iinfo(key.dtype).min, key.dtype)
    t = lax.fori_loop(0, bits // 8, eight_bits, least)
    above, equal = key > t[:, None], key == t[:, None]
    if groups > 1:
        return Found(t, above.sum(1, dtype=jnp.int32), equal.sum(1, dtype=jnp.int32))
    # One sum for both counts, in the bytes of an integer.
    counts = jnp.where(above, jnp.uint16(1), jnp.where(equal, jnp.uint16(256), jnp.uint16(0))).sum(1, dtype=jnp.uint16)
    return Found(t, (counts & 255).astype(jnp.int32), (counts >> 8).astype(jnp.int32))


def _count(digit: jax.Array, candidate: jax.Array) -> jax.Array:
    """Return `#{digit >= candidate}` over axis 1, at most 255, as uint8."""
    return (digit >= candidate[:, None]).astype(jnp.uint8).sum(1, dtype=jnp.uint8)


def _count_unrolled(digit: jax.Array, candidate: jax.Array) -> jax.Array:
    # XLA on CPU writes the comparisons of `_count` to memory; a sum of slices stays in registers.
    count = jnp.zeros(candidate.shape, jnp.uint8)
    for i in range(digit.shape[1]):
        count = count + (digit[:, i] >= candidate).astype(jnp.uint8)
    return count


def _flip(raw: jax.Array) -> jax.Array:
    info = jnp.iinfo(raw.dtype)
    return raw ^ ((raw >> (info.bits - 1)) & np.array(info.max, raw.dtype))
