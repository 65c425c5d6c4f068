"""Find the k-th largest cell of every map without sorting: a radix search that counts cells in small integers.

Floats become integers of the same order, and the integer of the k-th largest cell is found eight bits at a time, the
highest bits first. For each eight bits, one pass writes them as an int8 for every cell, clipped to the cells that agree
with the bits found so far; eight passes over these bytes then find the bits by bisection. The number of passes depends
on the dtype alone (36 for float32, 18 for bfloat16), never on the values, and the result is exact for every float.
Counts fit in a byte, so a pass costs about a third of averaging the floats.
"""

import functools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike

GROUP = 255  # The most cells whose count fits in a uint8.
_PACKED = 65535  # The most cells whose count fits in half a uint32.


class Found(NamedTuple):
    """The k-th largest cell of every map.

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


def kth_largest(cells: jax.Array, k: jax.Array, valid: jax.Array | None = None, axis: int = 1) -> Found:
    """Find the `k`-th largest cell of every map.

    Args:
        cells: `[..., M, ...]`, floating point. `M` may be a symbolic size.
        k: integers from 1 to the number of cells that count, one for each map: the shape of `cells` without `axis`.
        valid: which cells count, booleans in the shape of `cells`, or None for all.
        axis: the axis of the `M` cells.

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
    m = cells.shape[axis]
    groups = -(-m // GROUP) if isinstance(m, int) else None
    small = jnp.uint8 if groups == 1 else jnp.int32
    k = k.astype(small)
    key = ordered(cells, valid)
    bits = key.dtype.itemsize * 8

    def eight_bits(step: int | jax.Array, base: jax.Array) -> jax.Array:
        shift = jnp.asarray(bits - 8 - 8 * step, key.dtype)
        low = jnp.expand_dims(base >> shift, axis)
        digit = (jnp.clip(key >> shift, low, low + 255) - (low + 128)).astype(jnp.int8)
        if groups is not None and groups > 1:
            digit = _in_groups(digit, groups, axis)
        # Without the barrier, every count would recompute the digits.
        digit = lax.optimization_barrier(digit)

        def one_bit(i: int | jax.Array, found: jax.Array) -> jax.Array:
            candidate = found ^ (jnp.int8(1) << jnp.asarray(7 - i, jnp.int8))
            if groups is None:
                count = _count(digit, candidate, axis, small)
            elif groups == 1:
                unrolled, reduced = (functools.partial(one, axis=axis) for one in (_count_unrolled, _count))
                count = lax.platform_dependent(digit, candidate, cpu=unrolled, default=reduced)
            else:
                count = _count(digit, jnp.expand_dims(candidate, axis), axis + 1).sum(axis, dtype=small)
            # Only one result: for a second one, XLA on CPU would count again.
            return jnp.where(count >= k, candidate, found)

        found = lax.fori_loop(0, 8, one_bit, jnp.full_like(k, -128, jnp.int8))
        return base + ((found.astype(key.dtype) + 128) << shift)

    t = lax.fori_loop(0, bits // 8, eight_bits, jnp.full_like(k, jnp.iinfo(key.dtype).min, key.dtype))
    above, equal = key > jnp.expand_dims(t, axis), key == jnp.expand_dims(t, axis)
    if groups is None or m > _PACKED:
        return Found(t, above.sum(axis, dtype=jnp.int32), equal.sum(axis, dtype=jnp.int32))
    # One sum for both counts, in the two halves of an integer: XLA on CPU would read the cells once for each.
    dtype, half = (jnp.uint16, 8) if groups == 1 else (jnp.uint32, 16)
    both = jnp.where(above, dtype(1), jnp.where(equal, dtype(1 << half), dtype(0)))
    counts = both.sum(axis, dtype=dtype)
    return Found(t, (counts & dtype((1 << half) - 1)).astype(jnp.int32), (counts >> dtype(half)).astype(jnp.int32))


def _in_groups(digit: jax.Array, groups: int, axis: int) -> jax.Array:
    """Split the cells of every map into groups, an axis before the cells; all groups have equally many."""
    m = digit.shape[axis]
    each = -(-m // groups)
    # Cells that fill up the last group hold the least digit, which no candidate reaches.
    missing = [(0, groups * each - m) if a == axis else (0, 0) for a in range(digit.ndim)]
    digit = jnp.pad(digit, missing, constant_values=-128)
    return digit.reshape(*digit.shape[:axis], groups, each, *digit.shape[axis + 1 :])


def _count(digit: jax.Array, candidate: jax.Array, axis: int = 1, dtype: DTypeLike = jnp.uint8) -> jax.Array:
    """Return `#{digit >= candidate}` over `axis`; as uint8 at most 255."""
    return (digit >= jnp.expand_dims(candidate, axis)).astype(dtype).sum(axis, dtype=dtype)


def _count_unrolled(digit: jax.Array, candidate: jax.Array, axis: int = 1) -> jax.Array:
    # XLA on CPU writes the comparisons of `_count` to memory; a sum of slices stays in registers.
    each = (lax.index_in_dim(digit, i, axis, keepdims=False) for i in range(digit.shape[axis]))
    return functools.reduce(operator.add, ((one >= candidate).astype(jnp.uint8) for one in each))


def _flip(raw: jax.Array) -> jax.Array:
    info = jnp.iinfo(raw.dtype)
    return raw ^ ((raw >> (info.bits - 1)) & np.array(info.max, raw.dtype))
