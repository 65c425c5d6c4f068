"""ConvNeXt v1 and v2: depthwise 7x7 convolutions and 1x1 convolutions in four stages.

Liu et al., "A ConvNet for the 2020s", CVPR 2022 (arXiv 2201.03545); Woo et al., "ConvNeXt V2", CVPR 2023 (arXiv
2301.00808). The small ones (atto to nano) are timm's.
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from lena_jax.backbones import levels
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.depthwise import depthwise_conv
from lena_jax.backbones.layers import Dense, gelu
from lena_jax.backbones.tokens import patch_conv, resize_to_multiple

ENDPOINTS = ("norm", "stage4", "stage3", *levels.ENDPOINTS)
STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
STRIDE = 32

_INIT = nn.initializers.truncated_normal(0.02)
_EPSILON = 1e-6
_NORM = dict(epsilon=_EPSILON, use_fast_variance=False, dtype=jnp.float32)


class Architecture(NamedTuple):
    """The blocks and channels of each of the four stages, and whether it is version 2, with GRN."""

    repeats: tuple[int, int, int, int]
    channels: tuple[int, int, int, int]
    version: int = 1

    @property
    def parameters(self) -> int:
        """Numbers in all variables."""
        total = (3 * 16 + 3) * self.channels[0]
        for repeats, c in zip(self.repeats, self.channels, strict=True):
            total += repeats * (8 * c**2 + (49 + 1 + 2 + 4 + 1) * c + (c if self.version == 1 else 8 * c))
        return total + sum(a * (2 + 4 * b) + b for a, b in zip(self.channels, self.channels[1:], strict=False))


class GlobalResponseNorm(nn.Module):
    """`y = x + bias + scale * x * n`, where `n` is the L2 norm of a channel over the map, divided by the mean of all.

    Reference: Woo et al., arXiv 2301.00808, section 3.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [B, H, W, C]` to the same shape in `dtype`; norms are float32."""
        scale, bias = (self.param(name, nn.initializers.zeros, (x.shape[-1],)) for name in ("scale", "bias"))
        squares = jnp.sum(jnp.square(x.astype(jnp.float32)), (1, 2), keepdims=True)
        # The square root, with the gradient 0 instead of infinity where a channel is 0 in all cells.
        norm = squares * lax.rsqrt(jnp.maximum(squares, 1e-20))
        factor = 1 + scale[None, None, None] * norm / (norm.mean(-1, keepdims=True) + _EPSILON)
        return x * factor.astype(self.dtype) + bias.astype(self.dtype)[None, None, None]


class Block(nn.Module):
    """`x + scale * fc2(gelu(fc1(norm(depthwise(x)))))`; version 2 has GRN before fc2 instead of the scale."""

    version: int = 1
    dilation: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [B, H, W, C]` to the same shape."""
        channels = x.shape[-1]
        kernel = self.param("kernel", _INIT, (7, 7, 1, channels)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,)).astype(self.dtype)
        dense = functools.partial(Dense, dtype=self.dtype, kernel_init=_INIT)
        y = depthwise_conv(x, kernel, dilation=(self.dilation,) * 2) + bias[None, None, None]
        y = nn.LayerNorm(name="norm", **_NORM)(y).astype(self.dtype)
        y = gelu(dense(4 * channels, name="fc1")(y))
        if self.version == 2:
            y = GlobalResponseNorm(self.dtype, name="grn")(y)
        y = dense(channels, name="fc2")(y)
        if self.version == 1:
            y = (
                y
                * self.param("scale", nn.initializers.constant(1e-6), (channels,)).astype(self.dtype)[None, None, None]
            )
        return x + y


class Shrink(nn.Module):
    """Make the map smaller: norm and patch convolution, or the other way round in the stem.

    With `same`, a convolution of stride 1 with the same kernel keeps the size, for the finer grid of output stride 16.
    """

    features: int
    side: int
    norm_first: bool = True
    same: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [B, H, W, in]` to `[B, H / side, W / side, features]`; the side divides H and W."""
        norm = nn.LayerNorm(name="norm", **_NORM)
        kernel = self.param("kernel", _INIT, (self.side, self.side, x.shape[-1], self.features)).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        x = norm(x).astype(self.dtype) if self.norm_first else x.astype(self.dtype)
        if self.same:
            x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        else:
            x = patch_conv(x, kernel)
        x = x + bias[None, None, None]
        return x if self.norm_first else norm(x).astype(self.dtype)


class ConvNeXt(nn.Module):
    """The four stages of a ConvNeXt.

    Attributes:
        architecture: the blocks and channels of its stages.
        endpoint: what the feature map has in its cells.

            - "norm": the last stage, with each cell normalised over its channels. timm's classifiers average first and
              then normalise, with a scale and a shift that the head's weights can make up for here.
            - "stage4", "stage3": the last stage, or the one of stride 16, as they are, in (-inf, inf).
            - "multilevel": all stages, each cell normalised over its channels, averaged to the grid of the last one,
              side by side.
            - "multilevel_16", "multilevel_8", "multilevel_4": the same on the grid of that stride. Finer levels are
              averaged to it, and cells of coarser ones are repeated, see `levels.side_by_side`.
        output_stride: the stride of stage 4, 32 or 16. With 16 its convolutions are dilated by 2, as in timm.
        dtype: the type of computation and result; parameters and norms stay float32.
        axis_name: unused, since there is no BatchNorm; every backbone has it.
        remat: whether to forget what is inside a block and compute it again for the gradient (`jax.checkpoint`).
    """

    architecture: Architecture
    endpoint: str = "norm"
    output_stride: int = STRIDE
    dtype: Any = jnp.float32
    axis_name: str | None = None
    remat: bool = False

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, normalised as the weights expect; H and W at least 64. If 32 does not divide them, the
                pictures are resized to the next smaller multiples.
            train: changes nothing; there is neither BatchNorm nor dropout.

        Returns:
            `[B, floor(H / 32) * k, floor(W / 32) * k, channels]`, `k = 32 / output_stride`, or 2 for "stage3", or 4 for
            "multilevel_8".

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, or the backbone does not have the
                endpoint or the output stride.
        """
        del train
        check_pictures(x)
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        check_choice("output_stride", self.output_stride, (16, STRIDE))
        a, block, kept = self.architecture, nn.remat(Block) if self.remat else Block, []
        x = resize_to_multiple(x, STRIDE)
        height, width = x.shape[1:3]
        x = Shrink(a.channels[0], 4, norm_first=False, dtype=self.dtype, name="stem")(x)
        for stage, (repeats, channels) in enumerate(zip(a.repeats, a.channels, strict=True), start=1):
            fine = stage == 4 and self.output_stride == 16
            if stage > 1:
                x = Shrink(channels, 2, same=fine, dtype=self.dtype, name=f"stage{stage}_downsample")(x)
            for index in range(repeats):
                x = block(a.version, 2 if fine else 1, self.dtype, name=f"stage{stage}_block{index}")(x)
            if self.endpoint == f"stage{stage}":
                return x
            kept.append((height // x.shape[1], x))
        if self.endpoint == "norm":
            return _normalized(x).astype(self.dtype)
        stride = levels.stride_of(self.endpoint, self.output_stride)
        normal = [(own, _normalized(level)) for own, level in kept]
        return levels.side_by_side(normal, stride, height, width).astype(self.dtype)


def _normalized(x):
    x = x.astype(jnp.float32)
    x = x - x.mean(-1, keepdims=True)
    return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + _EPSILON)
