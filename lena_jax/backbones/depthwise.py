"""Depthwise convolution: a sum of shifted products on CPU, a grouped convolution elsewhere."""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def depthwise_conv(x, kernel, strides=(1, 1), dilation=(1, 1)):
    """Convolve each channel with its own kernel, with TensorFlow's "SAME" padding.

    The platform that the program is compiled for decides the form, not the call of this function. XLA on CPU runs a
    grouped convolution at under 1 GFLOP/s, where the sum of `kh * kw` shifted products runs at memory speed; on GPU and
    TPU the grouped convolution is fast. Both forms and their gradients give the same numbers to float rounding. Only
    reverse-mode differentiation works.

    Args:
        x: `[B, H, W, C]`, floating point.
        kernel: `[kh, kw, 1, C]`, the layout of a grouped `flax.linen.Conv`.
        strides: steps in rows and in columns, each >= 1.
        dilation: distances between the kernel's taps in rows and in columns, each >= 1.

    Returns:
        `[B, ceil(H / strides[0]), ceil(W / strides[1]), C]` in the type of `x`.

    Raises:
        ValueError: if the shapes do not match, `x` is not floating point, or a stride or dilation is below 1.
    """
    if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2:] != (1, x.shape[3]):
        raise ValueError(f"got x {x.shape} and kernel {kernel.shape}, expected [B, H, W, C] and [kh, kw, 1, C]")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"got x of type {x.dtype}, expected floating point")
    strides, dilation = tuple(strides), tuple(dilation)
    if len(strides) != 2 or len(dilation) != 2 or min(strides + dilation) < 1:
        raise ValueError(f"got strides {strides} and dilation {dilation}, expected two numbers >= 1 each")
    return _depthwise(x, kernel.astype(x.dtype), strides, dilation)


def grouped_depthwise_conv(x, kernel, strides, dilation):
    """Compute `depthwise_conv` as one convolution with as many groups as channels."""
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        "SAME",
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[3],
    )


def shifted_depthwise_conv(x, kernel, strides, dilation):
    """Compute `depthwise_conv` as a sum over taps: the shifted picture times the tap's weights."""
    padded, out_shape = _pad_same(x, kernel.shape[:2], strides, dilation)
    rows, columns = ([(tap, tap * dilation[axis]) for tap in range(kernel.shape[axis])] for axis in (0, 1))
    return _sum_of_taps(padded, kernel, rows, columns, out_shape, strides).astype(x.dtype)


def _sum_of_taps(padded, kernel, rows, columns, out_shape, strides):
    """Sum over taps; `rows` and `columns` are pairs (tap, first cell of `padded` that it meets)."""
    # Sums of bfloat16 are kept in float32, as the grouped form does on GPU and TPU.
    wide = jnp.promote_types(padded.dtype, jnp.float32)
    padded, kernel, y = padded.astype(wide), kernel.astype(wide), None
    for row, top in rows:
        for column, left in columns:
            product = _window(padded, (top, left), out_shape, strides) * kernel[row, column][None, None]
            y = product if y is None else y + product
    if y is None:
        return jnp.zeros((padded.shape[0], *out_shape, padded.shape[3]), wide)
    return y


def _same_padding(size, taps, stride, dilation):
    """Return how many cells to add before and after, and the size of the result."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
    return (total // 2, total - total // 2), out


def _pad_same(x, taps, strides, dilation):
    (rows, height), (columns, width) = (
        _same_padding(x.shape[axis + 1], taps[axis], strides[axis], dilation[axis]) for axis in (0, 1)
    )
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0))), (height, width)


def _window(padded, start, out_shape, strides):
    limits = [start[axis] + (out_shape[axis] - 1) * strides[axis] + 1 for axis in (0, 1)]
    return lax.slice(padded, (0, *start, 0), (padded.shape[0], *limits, padded.shape[3]), (1, *strides, 1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(x, kernel, strides, dilation):
    form = dict(strides=strides, dilation=dilation)
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(shifted_depthwise_conv, **form),
        default=functools.partial(grouped_depthwise_conv, **form),
    )


def _forward(x, kernel, strides, dilation):
    return _depthwise(x, kernel, strides, dilation), (x, kernel)


def _backward(strides, dilation, residuals, g):
    form = dict(strides=strides, dilation=dilation)
    return lax.platform_dependent(
        *residuals,
        g,
        cpu=functools.partial(_shifted_gradients, **form),
        default=functools.partial(_grouped_gradients, **form),
    )


_depthwise.defvjp(_forward, _backward)


def _grouped_gradients(x, kernel, g, *, strides, dilation):
    return jax.vjp(lambda x, kernel: grouped_depthwise_conv(x, kernel, strides, dilation), x, kernel)[1](g)


def _shifted_gradients(x, kernel, g, *, strides, dilation):
    return (
        _shifted_gradient_x(x.shape, kernel, g, strides, dilation),
        _shifted_gradient_kernel(x, kernel, g, strides, dilation),
    )


def _shifted_gradient_x(shape, kernel, g, strides, dilation):
    """Compute the gradient of the picture, also a sum of shifted products, without zeros between the cells of `g`.

    A cell `u` of the padded picture meets the tap `r` in the output cell `(u - r * dilation) / stride`, where that is a
    whole number. Cells with the same remainder `u % stride` (a phase) meet the same taps; the phases are interleaved at
    the end.
    """
    axes = [_Phases(shape[axis + 1], kernel.shape[axis], strides[axis], dilation[axis]) for axis in (0, 1)]
    padded = jnp.pad(g, ((0, 0), axes[0].padding, axes[1].padding, (0, 0)))
    phases = [
        [
            _sum_of_taps(padded, kernel, rows, columns, (axes[0].length, axes[1].length), (1, 1))
            for columns in axes[1].taps
        ]
        for rows in axes[0].taps
    ]
    if len(phases) == len(phases[0]) == 1:
        whole = phases[0][0]
    else:
        whole = jnp.stack([jnp.stack(row, axis=3) for row in phases], axis=2)
        whole = whole.reshape(shape[0], axes[0].length * strides[0], axes[1].length * strides[1], shape[3])
    starts = [axis.before for axis in axes]
    whole = whole.astype(g.dtype)
    return lax.slice(whole, (0, *starts, 0), (shape[0], starts[0] + shape[1], starts[1] + shape[2], shape[3]))


class _Phases:
    """The taps that each phase meets along one axis, and at which shift of the padded output gradient."""

    def __init__(self, size, taps, stride, dilation):
        (self.before, after), out = _same_padding(size, taps, stride, dilation)
        self.length = -(-(self.before + size + after) // stride)
        shifts = [
            [(tap, (phase - tap * dilation) // stride) for tap in range(taps) if (phase - tap * dilation) % stride == 0]
            for phase in range(stride)
        ]
        every = [shift for phase in shifts for _, shift in phase]
        low = max(-min(every), 0)
        self.padding = (low, max(self.length + max(every) - out, 0))
        self.taps = [[(tap, shift + low) for tap, shift in phase] for phase in shifts]


def _shifted_gradient_kernel(x, kernel, g, strides, dilation):
    """Compute the gradient of the kernel: for each tap, the shifted picture times `g`, summed over cells and pictures.

    It goes through the rows of `g` one by one, and keeps the sums over rows and pictures, `[kh, W, C]` for each column
    of taps, until the end. They and the few rows of a step stay in the cache. XLA stores the products of a whole
    picture for all taps before it sums them, which takes up to nine times as long.
    """
    wide = jnp.promote_types(x.dtype, jnp.float32)
    (kh, kw), (padded, (height, width)) = kernel.shape[:2], _pad_same(x, kernel.shape[:2], strides, dilation)

    def add_row(index, sums):
        picture, row = index // height, index % height
        rows = lax.dynamic_slice_in_dim(lax.dynamic_index_in_dim(padded, picture, 0, False), row * strides[0], reach)
        rows = lax.slice_in_dim(rows, 0, reach, dilation[0]).astype(wide)
        gradient = lax.dynamic_index_in_dim(lax.dynamic_index_in_dim(g, picture, 0, False), row).astype(wide)
        starts = (column * dilation[1] for column in range(kw))
        return tuple(
            total + lax.slice_in_dim(rows, start, start + (width - 1) * strides[1] + 1, strides[1], 1) * gradient
            for total, start in zip(sums, starts, strict=True)
        )

    reach = (kh - 1) * dilation[0] + 1
    # Sums of nothing: zeros that vary over the axes of a mesh as the sums will.
    zero = jnp.broadcast_to((x[:0].sum((0, 1, 2)) + g[:0].sum((0, 1, 2))).astype(wide), (kh, width, x.shape[3]))
    sums = lax.fori_loop(0, x.shape[0] * height, add_row, (zero,) * kw)
    return jnp.stack([total.sum(1) for total in sums], axis=1).reshape(kernel.shape).astype(kernel.dtype)
