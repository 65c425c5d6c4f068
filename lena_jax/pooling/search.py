"""Find the cell at the border of every support and average the support: by a kernel on a TPU or GPU, or portably.

The choice falls when a program is compiled for a device, so that one traced or exported program serves all of them.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from lena_jax.pooling import selection
from lena_jax.pooling.summing import sum_cells

KERNEL_DTYPES = (jnp.float32, jnp.bfloat16)


def find_and_average(
    cells: jax.Array, n: jax.Array, valid: jax.Array | None, axis: int, kernels: bool
) -> tuple[jax.Array, selection.Found]:
    """Average the `n` largest cells of every map, and return the cell of rank `ceil(n)` too.

    Args:
        cells: `[..., M, ...]`, floating point; -inf at cells that do not count.
        n: sizes in [1, M], one for each map, in the dtype to take sums in.
        valid: which cells count, or None for all.
        axis: the axis of the `M` cells.
        kernels: whether a kernel may do it, where there is one for the device, the dtype and the number of cells.

    Returns:
        The averages in the dtype of `cells`, and what was found. Kernels find the same cells and counts, bit for bit;
        their sums may differ in the order of the cells.
    """
    m = cells.shape[axis]
    if not kernels or valid is not None or cells.dtype not in KERNEL_DTYPES or n.dtype != jnp.float32:
        return _portable(cells, n, valid, axis)
    if not all(isinstance(size, int) and size > 0 for size in cells.shape) or m == 1:
        return _portable(cells, n, valid, axis)
    p, *found = _search_p.bind(cells, n, axis=axis)
    return p, selection.Found(*found)


def mean_from(cells: jax.Array, n: jax.Array, t: jax.Array, axis: int) -> jax.Array:
    """Return `t + sum_i max(z_i - t, 0) / n`, where `t` is the cell of rank `ceil(n)`."""
    t = t.astype(n.dtype)
    # Without the barrier, XLA on CPU recomputes the values of a map for every cell.
    t, from_t, share = lax.optimization_barrier((t, jnp.where(jnp.isfinite(t), t, 0.0), 1 / n))

    def above(z: jax.Array, t: jax.Array, from_t: jax.Array, share: jax.Array) -> jax.Array:
        z = z.astype(n.dtype)
        # `not <=` lets NaN through. The division comes before the sum, which could overflow.
        return jnp.where(z <= t, 0.0, z - from_t) * share

    return (t + sum_cells(above, cells, t, from_t, share, axis=axis)).astype(cells.dtype)


def rank(n: jax.Array, m: int) -> jax.Array:
    """Return the rank of the last cell of a support of size `n`, `ceil(n)`, in 1 to `m`."""
    # The bounds only matter for an eta outside [0, 1], which cannot be seen under jit.
    return jnp.clip(jnp.ceil(n).astype(jnp.int32), 1, m)


def _portable(cells: jax.Array, n: jax.Array, valid: jax.Array | None, axis: int) -> tuple[jax.Array, selection.Found]:
    found = selection.kth_largest(cells, rank(n, cells.shape[axis]), valid, axis)
    return mean_from(cells, n, selection.to_float(found.key, cells.dtype), axis), found


# A primitive, since only its rules for a device know for which device a program is compiled, and over how many.
_search_p = Primitive("lena_search")
_search_p.multiple_results = True


@_search_p.def_impl
def _without_kernel(cells: jax.Array, n: jax.Array, *, axis: int) -> tuple[jax.Array, ...]:
    p, found = _portable(cells, n, None, axis)
    return p, *found


@_search_p.def_abstract_eval
def _types(cells: Any, n: Any, *, axis: int) -> tuple[Any, ...]:
    # `n` has the shape of the results, is sharded as they are and varies over the same axes of a mesh.
    def like_n(dtype: DTypeLike) -> Any:
        return n.update(dtype=jnp.dtype(dtype), weak_type=False)

    return like_n(cells.dtype), like_n(f"int{cells.dtype.itemsize * 8}"), like_n(jnp.int32), like_n(jnp.int32)


def _batched(
    arguments: Sequence[jax.Array], dims: Sequence[int | None], *, axis: int
) -> tuple[list[jax.Array], list[int]]:
    mapped = [None if dim is None else jnp.moveaxis(one, dim, 0) for one, dim in zip(arguments, dims, strict=True)]
    like = next(jax.typeof(one) for one in mapped if one is not None)
    cells, n = (_repeated(one, like) if moved is None else moved for one, moved in zip(arguments, mapped, strict=True))
    return _search_p.bind(cells, n, axis=axis + 1), [0] * 4


def _repeated(x: jax.Array, like: Any) -> jax.Array:
    """Repeat `x` along a new first axis, as long as that of `like` and sharded as it is."""
    name, sharding = like.sharding.spec[0], jax.typeof(x).sharding
    spec = NamedSharding(like.sharding.mesh, PartitionSpec(name, *sharding.spec)) if name is not None else None
    return jnp.broadcast_to(x, (like.shape[0], *x.shape), out_sharding=spec)


batching.primitive_batchers[_search_p] = _batched


def _on_one_device(ctx: mlir.LoweringRuleContext) -> bool:
    """Return whether every device runs the program as it is written: XLA cannot partition a kernel."""
    context: Any = ctx.module_context.axis_context
    if hasattr(context, "manual_axes"):
        manual = context.manual_axes | frozenset(getattr(context.mesh, "manual_axes", ()))
        return not context.manual_axes or manual == frozenset(context.mesh.axis_names)
    return getattr(context, "num_devices", 1) == 1


def _on_tpu(ctx: mlir.LoweringRuleContext, *operands: Any, axis: int) -> Any:
    from lena_jax.pooling.kernels import tpu

    return _lower_to(tpu, 0, ctx, *operands, axis=axis)


def _on_gpu(ctx: mlir.LoweringRuleContext, *operands: Any, axis: int) -> Any:
    # jax.export refuses a GPU's kernels: another version of XLA need not read them.
    if ctx.module_context.lowering_parameters.for_export:
        return _lower_portable(ctx, *operands, axis=axis)
    try:
        from lena_jax.pooling.kernels import gpu
    except ImportError:  # JAX 0.12 says that a later version will come without Pallas' Triton.
        return _lower_portable(ctx, *operands, axis=axis)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The Pallas Triton backend", DeprecationWarning)
            return _lower_to(gpu, 1, ctx, *operands, axis=axis)
    except RuntimeError as error:
        # JAX 0.12 compiles Triton's programs only on a machine that has a GPU.
        if "No supported GPU devices found" not in str(error):
            raise
        return _lower_portable(ctx, *operands, axis=axis)


def _lower_to(kernels: Any, place: int, ctx: mlir.LoweringRuleContext, *operands: Any, axis: int) -> Any:
    """Lower to the kernel in the module `kernels`, which wants `[A, M, K]` with the cells in the given place."""
    cells_type: Any = ctx.avals_in[0]
    if cells_type.shape[axis] > kernels.MOST_CELLS or not _on_one_device(ctx):
        return _lower_portable(ctx, *operands, axis=axis)

    def by_kernel(cells: jax.Array, n: jax.Array) -> tuple[jax.Array, ...]:
        # The channels alone on the last axis, if there are any.
        flat = n.reshape(-1, n.shape[-1] if n.ndim else 1)
        shape = [*flat.shape[:place], cells.shape[axis], *flat.shape[place:]]
        # The last of the unpooled axes lies after the cells, all others before.
        maps = jnp.moveaxis(cells, axis, 0 if place == 0 else max(cells.ndim - 2, 0)).reshape(shape)
        return tuple(one.reshape(n.shape) for one in kernels.search_and_mean(maps, flat))

    return mlir.lower_fun(by_kernel)(ctx, *operands)


_lower_portable = mlir.lower_fun(_without_kernel)
mlir.register_lowering(_search_p, _lower_portable)
mlir.register_lowering(_search_p, _on_tpu, platform="tpu")
mlir.register_lowering(_search_p, _on_gpu, platform="cuda")
