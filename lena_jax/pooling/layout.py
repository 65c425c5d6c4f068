"""Which cells a pooling reads: axes, windows and masks, all brought to one form, maps of cells `[..., M, ...]`."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike

from lena_jax.pooling.mesh import on_its_mesh, traced, whole_maps

SPACE = (-3, -2)


@dataclasses.dataclass(frozen=True)
class Layout:
    """Maps of cells, and the way back to the shape of the input. Made by `lay_out`.

    The pooled axes become one axis of `M` cells, in the place of the last of them. All others stay axes of their own,
    as they may be sharded. "Maps" below are the shape of `cells` without that axis, the shape of the pooled result.

    Attributes:
        cells: `[..., M, ...]`, the maps; 0 at cells that do not count.
        axis: the axis of `cells` that holds the cells of a map.
        valid: None where every cell counts, otherwise booleans in the shape of `cells`.
        empty: None where every cell counts, otherwise booleans in the shape of `cells` with one cell a map: which maps
            have no valid cell. Every cell of such a map is 0 and counts.
        eta_shape: the shape of the input without the pooled axes.
        window_axes: the axes of the pooled result that hold windows.
    """

    cells: jax.Array
    axis: int
    valid: jax.Array | None
    empty: jax.Array | None
    eta_shape: tuple[int, ...]
    window_axes: tuple[int, ...]
    _split_shape: tuple[int, ...]
    _order: tuple[int, ...]

    @property
    def sum_dtype(self) -> np.dtype:
        """The dtype to take sums over cells in: float32 or wider."""
        return sum_dtype(self.cells.dtype)

    def count(self) -> jax.Array | int:
        """Return how many cells of each map count, at least 1: an int, or int32 for each map under a mask."""
        return self.cells.shape[self.axis] if self.valid is None else self.valid.sum(self.axis, dtype=jnp.int32)

    def per_map(self, value: ArrayLike, name: str, dtype: DTypeLike) -> jax.Array:
        """Bring a scalar, per-channel or per-example-and-channel `value` to one number for each map.

        The result is sharded as the maps are, and varies over the axes of a mesh over which they vary.

        Raises:
            ValueError: if `value` does not broadcast to the shape of the input without the pooled axes.
        """
        value = jnp.asarray(value, dtype)
        extra = len(self.eta_shape) - value.ndim
        shape = (1,) * extra + value.shape
        if extra < 0 or any(got not in (1, want) for got, want in zip(shape, self.eta_shape, strict=True)):
            raise ValueError(
                f"{name} must broadcast to the input's shape without the pooled axes: "
                f"got shape {value.shape}, expected at most {self.eta_shape}"
            )
        value = jnp.expand_dims(jnp.expand_dims(value, tuple(range(extra))), self.window_axes)
        with on_its_mesh(self.cells):
            return value + jnp.full_like(jax.lax.index_in_dim(self.cells, 0, self.axis, keepdims=False), 0, dtype)

    def spread(self, maps: jax.Array) -> jax.Array:
        """Bring one weight for each cell, as `cells`, to the shape of the input, or of its windows if it has any."""
        if self.empty is not None:
            maps = jnp.where(self.empty, 0, maps)
        ordered = maps.reshape([self._split_shape[a] for a in self._order])
        return jnp.transpose(ordered, np.argsort(self._order).tolist())


def sum_dtype(dtype: DTypeLike) -> np.dtype:
    """Return the dtype to take sums of floating-point numbers in: float32 or wider."""
    return np.promote_types(np.float32, dtype) if jnp.dtype(dtype).itemsize > 2 else np.dtype(np.float32)


def lay_out(
    x: ArrayLike,
    *,
    axis: int | Sequence[int] = SPACE,
    window: int | Sequence[int] | None = None,
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[Sequence[int]] = "VALID",
    where: ArrayLike | None = None,
) -> Layout:
    """Lay out the maps of `x` that a pooling reads.

    Args:
        x: floating-point array, `[..., H, W, C]` with the default `axis`.
        axis: the axes to pool over: an int or a sequence of ints.
        window: the size of the window on each pooled axis, an int or one for each; None pools each map as a whole.
        strides: the steps between windows, an int or one for each pooled axis; None means `window`.
        padding: "VALID", "SAME", or a pair (before, after) for each pooled axis. Padded cells never enter a support:
            a window that the border truncates pools its own cells only.
        where: booleans that broadcast to the shape of `x`; False cells do not count.

    Returns:
        The `Layout`.

    Raises:
        ValueError: if the input is not floating point of 16 bits or more, axes are out of range or repeated, a map has
            no cells, a window is larger than the padded map, a window is asked for on axes of symbolic size, or a map
            or window has no valid cell, the last only where `where` is concrete; or as `mesh.on_its_mesh`.

    Example:
        >>> import jax.numpy as jnp
        >>> from lena_jax.pooling import lay_out
        >>> lay_out(jnp.ones((8, 14, 14, 512))).cells.shape  # 8 * 512 maps of 196 cells
        (8, 196, 512)
        >>> windows = lay_out(jnp.ones((8, 14, 14, 512)), window=2)
        >>> windows.cells.shape, windows.axis
        ((8, 7, 7, 4, 512), 3)
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating) or x.dtype.itemsize < 2:
        raise ValueError(f"input must be floating point: got {x.dtype}, expected float32, bfloat16 or float16")
    axes = _normalize_axes(axis, x.ndim)
    if any(x.shape[a] == 0 for a in axes):
        raise ValueError(
            f"a map must have at least one element: got shape {x.shape}, expected no pooled axis of size 0"
        )
    x = whole_maps(x, axes)
    eta_shape = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    valid = None if where is None else _broadcast_mask(where, x, axes)
    window_axes: tuple[int, ...] = ()
    if window is None:
        if strides is not None or padding != "VALID":
            raise ValueError(f"strides and padding need a window: got {strides=}, {padding=}, expected window=(...)")
    else:
        with on_its_mesh(x):
            x, valid, axes, window_axes = _split_windows(x, valid, axes, window, strides, padding)
    # Pooled axes side by side, and before the channels: for [..., H, W, C] this is a reshape that moves no cell.
    rest = [a for a in range(x.ndim) if a not in axes]
    before = sum(a < max(axes) for a in rest)
    before = 0 if before == len(rest) else before
    order = (*rest[:before], *axes, *rest[before:])
    shape = tuple(x.shape[a] for a in rest)
    shape = (*shape[:before], math.prod(x.shape[a] for a in axes), *shape[before:])
    cells = jnp.transpose(x, order).reshape(shape)
    empty = None
    if valid is not None:
        valid = jnp.transpose(valid, order).reshape(shape)
        if not traced(valid) and not bool(valid.any(before).all()):
            raise ValueError("every map (window) needs a valid cell: got one without any, expected at least 1")
        empty = ~valid.any(before, keepdims=True)
        # 0 and not -inf, which jax_debug_infs would report.
        cells = jnp.where(valid, cells, jnp.zeros_like(cells))
        valid = valid | empty
    return Layout(cells, before, valid, empty, eta_shape, window_axes, x.shape, order)


def caffe_padding(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], pad: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return the padding that places windows as Caffe's pooling layers do, whose last window may stick out.

    Caffe has `ceil((size + 2 * pad - window) / stride) + 1` windows, less one if the last would start beyond the map
    and its leading padding.

    Args:
        sizes: the sizes of the pooled axes.
        window: the size of the window on each pooled axis.
        strides: the step between windows on each pooled axis.
        pad: Caffe's padding of each pooled axis.

    Returns:
        Pairs (before, after) for the argument `padding` of poolings.

    Example:
        >>> from lena_jax.pooling import caffe_padding
        >>> caffe_padding(sizes=(5, 5), window=(2, 2), strides=(2, 2), pad=(0, 0))  # the third window has one cell
        ((0, 1), (0, 1))
    """
    pairs = []
    for size, k, step, p in zip(sizes, window, strides, pad, strict=True):
        outputs = -((size + 2 * p - k) // -step) + 1
        if p and (outputs - 1) * step >= size + p:
            outputs -= 1
        pairs.append((p, (outputs - 1) * step + k - size - p))
    return tuple(pairs)


def _normalize_axes(axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if not axes or any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"axis out of range: got {axis}, expected axes in [{-ndim}, {ndim}) for {ndim} dimensions")
    normal = tuple(sorted(a % ndim for a in axes))
    if len(set(normal)) != len(normal):
        raise ValueError(f"axis repeats: got {axis}, expected different axes for {ndim} dimensions")
    return normal


def _broadcast_mask(where: ArrayLike, x: jax.Array, axes: Sequence[int]) -> jax.Array:
    where, shape = jnp.asarray(where), x.shape
    extra = len(shape) - where.ndim
    fits = extra >= 0 and all(got in (1, want) for got, want in zip(where.shape, shape[extra:], strict=True))
    if where.dtype != jnp.bool_ or not fits:
        raise ValueError(
            f"where must be boolean and broadcast to the input: got {where.dtype} {where.shape}, expected bool {shape}"
        )
    where = whole_maps(jnp.expand_dims(where, tuple(range(extra))), axes)
    return where & jnp.full_like(x, True, bool)


def _split_windows(
    x: jax.Array,
    valid: jax.Array | None,
    axes: tuple[int, ...],
    window: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: str | Sequence[Sequence[int]],
) -> tuple[jax.Array, jax.Array | None, tuple[int, ...], tuple[int, ...]]:
    """Split each pooled axis into (windows, cells of a window)."""
    window = _one_per_axis("window", window, axes)
    strides = window if strides is None else _one_per_axis("strides", strides, axes)
    sizes = tuple(x.shape[a] for a in axes)
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(f"windows need axes of known size: got symbolic sizes {sizes}, expected integers")
    pairs = _padding_pairs(padding, sizes, window, strides)
    inside_all = np.ones((1,) * (x.ndim + len(axes)), bool)
    each = zip(axes, sizes, window, strides, pairs, strict=True)
    for done, (a, size, k, step, (before, after)) in enumerate(each):
        if k > size + before + after:
            raise ValueError(f"window larger than the padded map: got {k}, expected at most {size + before + after}")
        starts = np.arange(0, size + before + after - k + 1, step) - before
        index = starts[:, None] + np.arange(k)[None, :]
        inside = (index >= 0) & (index < size)
        if not inside.any(1).all():
            raise ValueError(f"a window lies in the padding alone: got {(before, after)}, expected less than {k}")
        here = a + done
        if step == k:
            cut = functools.partial(_side_by_side, axis=here, k=k, before=before, windows=len(starts))
        else:
            cut = functools.partial(jnp.take, indices=np.clip(index, 0, size - 1), axis=here)
        x, valid = cut(x), None if valid is None else cut(valid)
        inside_all = inside_all & np.expand_dims(
            inside, [d for d in range(inside_all.ndim) if d not in (here, here + 1)]
        )
    if not inside_all.all():
        valid = jnp.full_like(x, True, bool) & inside_all if valid is None else valid & inside_all
    return x, valid, tuple(a + i + 1 for i, a in enumerate(axes)), tuple(axes)


def _side_by_side(x: jax.Array, axis: int, k: int, before: int, windows: int) -> jax.Array:
    """Split an axis into (windows, k), with zeros or False outside: no index, whose derivative were a scatter."""
    missing = [(0, 0, 0)] * x.ndim
    missing[axis] = (before, windows * k - before - x.shape[axis], 0)  # Negative where the last cells are in no window.
    x = lax.pad(x, jnp.zeros((), x.dtype), missing)
    return x.reshape(*x.shape[:axis], windows, k, *x.shape[axis + 1 :])


def _one_per_axis(name: str, value: int | Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    values = (value,) * len(axes) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != len(axes) or any(v < 1 for v in values):
        raise ValueError(f"{name} needs a positive int for each pooled axis: got {value}, expected {len(axes)} of them")
    return values


def _padding_pairs(
    padding: str | Sequence[Sequence[int]], sizes: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    if isinstance(padding, str):
        if padding not in ("VALID", "SAME"):
            raise ValueError(f'padding: got {padding!r}, expected "VALID", "SAME" or pairs (before, after)')
        if padding == "VALID":
            return ((0, 0),) * len(sizes)
        totals = [max((-(n // -s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, window, strides, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    pairs = tuple(tuple(pair) for pair in padding)
    if len(pairs) != len(sizes) or any(len(p) != 2 or min(p) < 0 for p in pairs):
        raise ValueError(f"padding: got {padding}, expected {len(sizes)} pairs (before, after), none negative")
    return pairs
