"""Depthwise convolution: the sum of shifted products on CPU, the grouped convolution elsewhere."""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def depthwise_conv(x, kernel, strides=(1, 1), dilation=(1, 1)):
    """Convolves each channel with its own kernel, with TensorFlow's "SAME" padding.

    The form is chosen for the platform that the program is compiled for, not when this function is called: XLA on CPU
    runs a grouped convolution at under 1 GFLOP/s, where the sum of `kh * kw` shifted products runs at memory speed;
    on GPU and TPU the grouped convolution is the fast one. Both give the same numbers to float rounding, and so do
    their gradients. Reverse-mode differentiation only.

    Args:
      x: `[B, H, W, C]`, floating point.
      kernel: `[kh, kw, 1, C]`, the layout of a grouped `flax.linen.Conv`.
      strides: step in rows and in columns, each >= 1.
      dilation: distance of the kernel's taps in rows and in columns, each >= 1.

    Returns:
      `[B, ceil(H / strides[0]), ceil(W / strides[1]), C]` in the type of `x`.

    Raises:
      ValueError: the shapes do not belong together, or a stride or dilation is below 1.
    """
    if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2:] != (1, x.shape[3]):
        raise ValueError(f"got x {x.shape} and kernel {kernel.shape}, expected [B, H, W, C] and [kh, kw, 1, C]")
    strides, dilation = tuple(strides), tuple(dilation)
    if len(strides) != 2 or len(dilation) != 2 or min(strides + dilation) < 1:
        raise ValueError(f"got strides {strides} and dilation {dilation}, expected two numbers >= 1 each")
    return _depthwise(x, kernel.astype(x.dtype), strides, dilation)


def grouped_depthwise_conv(x, kernel, strides, dilation):
    """`depthwise_conv` as one convolution with as many groups as channels."""
    return lax.conv_general_dilated(
        x, kernel, strides, "SAME", rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=x.shape[3])


def shifted_depthwise_conv(x, kernel, strides, dilation):
    """`depthwise_conv` as the sum over taps of the shifted picture times the tap's weights."""
    padded, out_shape = _pad_same(x, kernel.shape[:2], strides, dilation)
    y = 0.0
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            start = (row * dilation[0], column * dilation[1])
            y = y + _window(padded, start, out_shape, strides) * kernel[row, column, 0]
    return y


def _same_padding(size, taps, stride, dilation):
    """Cells to add before and after, and the size of the result."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
    return (total // 2, total - total // 2), out


def _pad_same(x, taps, strides, dilation):
    (rows, height), (columns, width) = (
        _same_padding(x.shape[axis + 1], taps[axis], strides[axis], dilation[axis]) for axis in (0, 1))
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0))), (height, width)


def _window(padded, start, out_shape, strides):
    limits = [start[axis] + (out_shape[axis] - 1) * strides[axis] + 1 for axis in (0, 1)]
    return lax.slice(padded, (0, *start, 0), (padded.shape[0], *limits, padded.shape[3]), (1, *strides, 1))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(x, kernel, strides, dilation):
    form = dict(strides=strides, dilation=dilation)
    return lax.platform_dependent(
        x, kernel,
        cpu=functools.partial(shifted_depthwise_conv, **form),
        default=functools.partial(grouped_depthwise_conv, **form))


def _forward(x, kernel, strides, dilation):
    return _depthwise(x, kernel, strides, dilation), (x, kernel)


def _backward(strides, dilation, residuals, g):
    def pull_back(conv):
        def gradients(x, kernel, g):
            return jax.vjp(lambda x, k: conv(x, k, strides, dilation), x, kernel)[1](g)
        return gradients

    return lax.platform_dependent(
        *residuals, g, cpu=pull_back(shifted_depthwise_conv), default=pull_back(grouped_depthwise_conv))


_depthwise.defvjp(_forward, _backward)
