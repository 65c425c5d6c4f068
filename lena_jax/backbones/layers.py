"""The layer that trunks are made of: convolution, BatchNorm and ReLU6, in one when BatchNorm is frozen."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from lena_jax.backbones.depthwise import depthwise_conv


class ConvBN(nn.Module):
    """Convolution without bias ("SAME" padding as in TensorFlow), BatchNorm, and optionally ReLU6.

    With `train=False` BatchNorm is an affine map of the stored statistics: its factor is multiplied into the
    kernel and only an addition is left of it. With `train=True` the statistics are those of the batch
    (averaged over devices where `axis_name` is given) and the collection `batch_stats` must be mutable.

    Parameters are `kernel` `[kh, kw, in, out]` (`[kh, kw, 1, out]` when depthwise), `scale` and `bias`
    `[out]`, and in `batch_stats` `mean` and `var` `[out]`; all float32, whatever `dtype` is computed in.
    """

    features: int
    kernel_size: int = 1
    stride: int = 1
    dilation: int = 1
    depthwise: bool = False
    relu6: bool = True
    epsilon: float = 1e-3
    momentum: float = 0.99
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """`x: [B, H, W, in]` to `[B, ceil(H / stride), ceil(W / stride), features]` in `dtype`."""
        size, out = self.kernel_size, self.features
        shape = (size, size, 1 if self.depthwise else x.shape[-1], out)
        initializer = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal", in_axis=(0, 1, 2))
        kernel = self.param("kernel", initializer, shape)
        scale = self.param("scale", nn.initializers.ones, (out,))
        bias = self.param("bias", nn.initializers.zeros, (out,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (out,))
        var = self.variable("batch_stats", "var", jnp.ones, (out,))

        x = x.astype(self.dtype)
        if train:
            y = self._convolve(x, kernel).astype(jnp.float32)
            batch_mean, batch_var = self._moments(y)
            if not self.is_initializing():
                mean.value = self.momentum * mean.value + (1 - self.momentum) * batch_mean
                var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
            factor = scale * lax.rsqrt(batch_var + self.epsilon)
            y = (y * _per_channel(factor) + _per_channel(bias - batch_mean * factor)).astype(self.dtype)
        else:
            factor = scale * lax.rsqrt(var.value + self.epsilon)
            y = self._convolve(x, kernel * _per_channel(factor))
            y = y + _per_channel(bias - mean.value * factor).astype(self.dtype)
        return jnp.clip(y, 0, 6) if self.relu6 else y

    def _convolve(self, x, kernel):
        kernel = kernel.astype(self.dtype)
        strides, dilation = (self.stride,) * 2, (self.dilation,) * 2
        if self.depthwise:
            return depthwise_conv(x, kernel, strides, dilation)
        if self.kernel_size == 1 and self.stride == 1:
            # XLA on CPU runs a 1x1 convolution at less than half the speed of the same matrix product.
            return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())))
        return lax.conv_general_dilated(
            x, kernel, strides, "SAME", rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def _moments(self, y):
        mean, square = jnp.mean(y, (0, 1, 2)), jnp.mean(jnp.square(y), (0, 1, 2))
        if self.axis_name is not None and not self.is_initializing():
            mean, square = lax.pmean((mean, square), self.axis_name)
        return mean, jnp.maximum(square - jnp.square(mean), 0.0)


def _per_channel(vector):
    return vector[None, None, None]
