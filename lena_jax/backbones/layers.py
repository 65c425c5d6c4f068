"""The layers of backbones: convolution with bias or BatchNorm and an activation, and max pooling."""

from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lena_jax.backbones.conv import conv
from lena_jax.backbones.depthwise import depthwise_conv

Padding = int | Literal["SAME"]

_KERNEL_INIT = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal", in_axis=(0, 1, 2))


def relu6(x):
    """Return `min(max(x, 0), 6)`, whose gradient is 0 at 0 and at 6, as in PyTorch."""
    # jnp.clip shares the gradient where values are equal, which costs divisions in every cell.
    return lax.clamp(jnp.zeros((), x.dtype), x, jnp.full((), 6, x.dtype))


def convolve(x, kernel, stride: int = 1, dilation: int = 1, padding: Padding = "SAME"):
    """Convolve with a dense kernel, as every backbone does.

    Args:
        x: `[B, H, W, in]`, floating point.
        kernel: `[kh, kw, in, out]`, in the type of `x`.
        stride: the step in rows and columns.
        dilation: the distance between the kernel's taps in rows and columns.
        padding: "SAME" adds zeros as TensorFlow does, for `ceil(H / stride)` rows; a number adds as many zeros on each
            side as in PyTorch, for `floor((H + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1` rows.

    Returns:
        `[B, h, w, out]` in the type of `x`.
    """
    pads = padding if padding == "SAME" else ((padding, padding),) * 2
    return conv(x, kernel, (stride,) * 2, pads, (dilation,) * 2)


def max_pool(x, size: int, stride: int, padding: int = 0):
    """Pool `x: [B, H, W, C]` to `[B, floor((H + 2 * padding - size) / stride) + 1, ..., C]`, as PyTorch does."""
    return nn.max_pool(x, (size, size), (stride, stride), ((padding, padding),) * 2)


def gelu(x):
    """Return `x * (1 + erf(x / sqrt(2))) / 2`, as PyTorch computes it.

    `jax.nn.gelu(x, approximate=False)` is more exact below -3, where the result is next to nothing, and takes on CPU
    twice as long.
    """
    return 0.5 * x * (1 + lax.erf(x * np.asarray(0.5**0.5, x.dtype)))


@jax.custom_vjp
def product(x, kernel):
    """Multiply the last axis of `x: [..., in]` with `kernel: [in, out]`, both of one type: `[..., out]`.

    The gradient of the kernel is `x` transposed times the gradient of the result, in this order. JAX's own rule gives
    the other order and transposes. On CPU, XLA then transposes sums of gradients while it computes them once more,
    which takes a third of a transformer's training step.
    """
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def _product_forward(x, kernel):
    return product(x, kernel), (x, kernel)


def _product_backward(operands, g):
    x, kernel = operands
    gradient_x = lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ())))
    rows, columns = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return gradient_x, lax.dot_general(rows, columns, (((0,), (0,)), ((), ())))


product.defvjp(_product_forward, _product_backward)


class Dense(nn.Module):
    """A linear map of the last axis, with the parameters of `flax.linen.Dense`, which are float32."""

    features: int
    use_bias: bool = True
    kernel_init: Callable = _KERNEL_INIT
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [..., in]` to `[..., features]` in `dtype`."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        y = product(x.astype(self.dtype), kernel.astype(self.dtype))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
            y = y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)
        return y


class ConvBias(nn.Module):
    """Convolution, bias and optionally an activation; parameters `kernel` and `bias` as in `ConvBN`."""

    features: int
    kernel_size: int = 1
    stride: int = 1
    padding: Padding = "SAME"
    activation: Callable | None = nn.relu
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [B, H, W, in]` to `[B, h, w, features]` in `dtype`, with the sizes of `convolve`."""
        kernel = self.param("kernel", _KERNEL_INIT, (self.kernel_size,) * 2 + (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = convolve(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, padding=self.padding)
        y = y + _per_channel(bias).astype(self.dtype)
        return y if self.activation is None else self.activation(y)


class ConvBN(nn.Module):
    """Convolution, BatchNorm, and optionally an activation.

    With `train=False` BatchNorm is an affine map of the stored statistics: its factor is multiplied into the kernel,
    and only an addition remains. With `train=True` the statistics are those of the batch, averaged over devices if
    `axis_name` is given, and the collection `batch_stats` must be mutable.

    Parameters are `kernel` `[kh, kw, in, out]` (`[kh, kw, 1, out]` when depthwise), `scale` and `bias` `[out]`;
    `batch_stats` has `mean` and `var` `[out]`. All are float32, whatever the `dtype` of computation. With `conv_bias`
    the convolution adds `conv_bias` `[out]` before BatchNorm, for weights that have one.
    """

    features: int
    kernel_size: int = 1
    stride: int = 1
    dilation: int = 1
    depthwise: bool = False
    padding: Padding = "SAME"
    activation: Callable | None = relu6
    conv_bias: bool = False
    epsilon: float = 1e-3
    momentum: float = 0.99
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Map `x: [B, H, W, in]` to `[B, h, w, features]` in `dtype`, with the sizes of `convolve`."""
        size, out = self.kernel_size, self.features
        kernel = self.param("kernel", _KERNEL_INIT, (size, size, 1 if self.depthwise else x.shape[-1], out))
        scale = self.param("scale", nn.initializers.ones, (out,))
        bias = self.param("bias", nn.initializers.zeros, (out,))
        conv_bias = self.param("conv_bias", nn.initializers.zeros, (out,)) if self.conv_bias else 0.0
        mean = self.variable("batch_stats", "mean", jnp.zeros, (out,))
        var = self.variable("batch_stats", "var", jnp.ones, (out,))

        x = x.astype(self.dtype)
        if train:
            y = self._convolve(x, kernel).astype(jnp.float32)
            batch_mean, batch_var = self._moments(y)
            if not self.is_initializing():
                # Subtracting the batch's mean removes the convolution's bias; only the running mean contains it.
                mean.value = self.momentum * mean.value + (1 - self.momentum) * (batch_mean + conv_bias)
                var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
            factor = scale * lax.rsqrt(batch_var + self.epsilon)
            y = (y * _per_channel(factor) + _per_channel(bias - batch_mean * factor)).astype(self.dtype)
        else:
            factor = scale * lax.rsqrt(var.value + self.epsilon)
            y = self._convolve(x, kernel * _per_channel(factor))
            y = y + _per_channel(bias + (conv_bias - mean.value) * factor).astype(self.dtype)
        return y if self.activation is None else self.activation(y)

    def _convolve(self, x, kernel):
        kernel = kernel.astype(self.dtype)
        if self.depthwise:
            if self.padding != "SAME":
                raise ValueError(f"got padding {self.padding} of a depthwise convolution, expected 'SAME'")
            return depthwise_conv(x, kernel, (self.stride,) * 2, (self.dilation,) * 2)
        return convolve(x, kernel, self.stride, self.dilation, self.padding)

    def _moments(self, y):
        mean, square = jnp.mean(y, (0, 1, 2)), jnp.mean(jnp.square(y), (0, 1, 2))
        if self.axis_name is not None and not self.is_initializing():
            mean, square = lax.pmean((mean, square), self.axis_name)
        return mean, jnp.maximum(square - jnp.square(mean), 0.0)


def _per_channel(vector):
    return vector[None, None, None]
