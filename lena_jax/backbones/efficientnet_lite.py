"""EfficientNet-Lite: mobile inverted bottlenecks without squeeze-and-excitation, ReLU6 throughout.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019 (arXiv
1905.11946); the Lite variants are Google's of 2020, which scale neither the stem nor the head.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBN
from lena_jax.backbones.torch_names import conv_bn_keys

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
ENDPOINTS = ("head", "expand6", "multilevel")
# The first of the stages whose expansions "multilevel" takes.
_FIRST_LEVEL = 3
# As efficientnet-lite-pytorch and as timm names it.
CLASSIFIER_PREFIXES = ("_fc.", "classifier.")


class Stage(NamedTuple):
    """Blocks of the same width; only the first of them has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expand: int
    channels: int


_LITE0_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def lite_stages(width: float = 1.0, depth: float = 1.0) -> tuple[Stage, ...]:
    """The stages of a Lite network from its two scaling factors; (1, 1) is Lite0.

    Channels are scaled by `width` and rounded to a multiple of 8, repeats by `depth` and rounded up, except
    in the first and the last stage, whose repeats stay.
    """
    last = len(_LITE0_STAGES) - 1
    return tuple(
        stage._replace(
            repeats=stage.repeats if index in (0, last) else math.ceil(stage.repeats * depth),
            channels=_round_channels(stage.channels * width),
        )
        for index, stage in enumerate(_LITE0_STAGES)
    )


def _round_channels(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    # Never lose more than a tenth to the rounding.
    return rounded + 8 if rounded < 0.9 * channels else rounded


class InvertedBottleneck(nn.Module):
    """1x1 expansion, depthwise convolution, linear 1x1 projection, and the input added where shapes allow."""

    channels: int
    kernel_size: int
    stride: int
    expand: int
    dilation: int = 1
    residual: bool = False
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False, expand_only=False):
        """`x: [B, H, W, in]` to what the 1x1 expansion gives and what the block gives.

        They are `[B, H, W, in * expand]` and `[B, ceil(H / stride), ceil(W / stride), channels]`, or None with
        `expand_only`.
        """
        options = dict(dtype=self.dtype, axis_name=self.axis_name)
        wide = x.shape[-1] * self.expand
        y = x
        if self.expand != 1:
            y = ConvBN(wide, name="expand", **options)(y, train)
        expanded = y
        if expand_only:
            return expanded, None
        y = ConvBN(wide, self.kernel_size, self.stride, self.dilation, depthwise=True, name="depthwise", **options)(
            y, train
        )
        y = ConvBN(self.channels, activation=None, name="project", **options)(y, train)
        return expanded, y + x if self.residual else y


class EfficientNetLite(nn.Module):
    """The convolutional part of EfficientNet-Lite, up to its last one (1x1 to 1280, BatchNorm, ReLU6).

    Strided convolutions pad as TensorFlow's "SAME" does, for the size at hand. That is what the PyTorch
    package `efficientnet-lite-pytorch` computes when its `image_size` is the picture's size.

    Attributes:
      stages: from `lite_stages`.
      endpoint: "head", the last convolution (1x1 to 1280, BatchNorm, ReLU6); or "expand6", the expansion (1x1,
        BatchNorm, ReLU6) that opens stage 6: the last feature map of stride 16, with 672 channels in Lite0, on a
        grid as fine as that of VGG16's conv5; or "multilevel", the expansions that open the stages 3 to 7 and the head,
        each averaged over the cells of the head's grid, side by side: 3968 channels in Lite0. What pictures look like
        (colour, focus, texture) is in the early ones, what they show in the late ones; ratings of photographs depend
        on both (Hosu, Goldluecke and Saupe, "Effective Aesthetics Prediction with Multi-level Spatially Pooled
        Features", CVPR 2019, who do so with Inception).
      output_stride: of the head, 32, or 16: the last stride is left out and the convolutions behind it are dilated
        by 2, which gives the features of stride 32 (at every second cell, borders included) and those in between.
        With `n` cells on an axis, the cell `j` of stride 32 is the cell `2j + 1` where `n` is even, `2j` where it is
        odd.
      dtype: type that is computed in and returned; parameters stay float32.
      axis_name: the mapped axis over which `train=True` averages the batch statistics, or None.
    """

    stages: tuple[Stage, ...] = _LITE0_STAGES
    endpoint: str = "head"
    output_stride: int = 32
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Features of pictures.

        Args:
          x: `[B, H, W, 3]`, RGB, normalised with the trunk's mean and standard deviation; H and W from 64.
          train: normalise with the batch's statistics and update the running ones
            (`mutable=["batch_stats"]`).

        Returns:
          `[B, ceil(H / stride), ceil(W / stride), channels]` in [0, 6]; the head has stride `output_stride` and
          1280 channels, "multilevel" the same stride.

        Raises:
          ValueError: `x` is not a batch of RGB pictures of at least 64 px, `output_stride` is neither 16
            nor 32, or the endpoint is unknown.
        """
        check_pictures(x)
        check_choice("output_stride", self.output_stride, (16, 32))
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        options = dict(dtype=self.dtype, axis_name=self.axis_name)
        x = ConvBN(STEM_CHANNELS, 3, 2, name="stem", **options)(x, train)
        reached, dilation, levels = 2, 1, []
        for name, block, channels_in in iterate_blocks(self.stages):
            stride, next_dilation = block.stride, dilation
            if reached * stride > self.output_stride:
                # The cells that a strided convolution would have skipped are kept; what follows must skip
                # them.
                stride, next_dilation = 1, dilation * stride
            last = self.endpoint == "expand6" and name == "stage6_block0"
            expanded, x = InvertedBottleneck(
                block.channels,
                block.kernel_size,
                stride,
                block.expand,
                dilation,
                residual=block.stride == 1 and channels_in == block.channels,
                name=name,
                **options,
            )(x, train, expand_only=last)
            if last:
                return expanded
            if self.endpoint == "multilevel" and name in _openings(self.stages):
                levels.append(_to_stride(expanded, self.output_stride // reached))
            reached, dilation = reached * stride, next_dilation
        x = ConvBN(HEAD_CHANNELS, name="head", **options)(x, train)
        return jnp.concatenate([*levels, x], -1) if levels else x


def _openings(stages):
    return {f"stage{number}_block0" for number in range(_FIRST_LEVEL, len(stages) + 1)}


def _to_stride(x, factor):
    """Averages over squares of `factor` x `factor` cells; those on the far borders may be cut off."""
    pads = [(0, -side % factor) for side in x.shape[1:3]]
    return nn.avg_pool(x, (factor, factor), (factor, factor), pads, count_include_pad=False)


def iterate_blocks(stages: tuple[Stage, ...]) -> Iterator[tuple[str, Stage, int]]:
    """Yields (module name, the block as a stage of one, channels that come in) in order."""
    channels = STEM_CHANNELS
    for number, stage in enumerate(stages, start=1):
        for index in range(stage.repeats):
            yield (
                f"stage{number}_block{index}",
                stage._replace(repeats=1, stride=stage.stride if index == 0 else 1),
                channels,
            )
            channels = stage.channels


def torch_keys(stages: tuple[Stage, ...]) -> dict[str, dict[tuple[str, ...], str]]:
    """Naming -> the name of each variable in it: path of the leaf in `variables` -> key."""
    blocks = list(iterate_blocks(stages))
    numbers = {name: number for number, (name, _, _) in enumerate(blocks)}
    package = {("stem",): ("_conv_stem", "_bn0"), ("head",): ("_conv_head", "_bn1")}
    timm = {("stem",): ("conv_stem", "bn1"), ("head",): ("conv_head", "bn2")}
    for name, block, _ in blocks:
        layers = [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        # timm numbers the convolutions of a block from its first, whichever that is.
        short = [("depthwise", "conv_dw", "bn1"), ("project", "conv_pw", "bn2")]
        if block.expand != 1:
            layers.insert(0, ("expand", "_expand_conv", "_bn0"))
            short = [("expand", "conv_pw", "bn1"), ("depthwise", "conv_dw", "bn2"), ("project", "conv_pwl", "bn3")]
        stage, index = name.removeprefix("stage").split("_block")
        for layer, conv, norm in layers:
            package[name, layer] = tuple(f"_blocks.{numbers[name]}.{part}" for part in (conv, norm))
        for layer, conv, norm in short:
            timm[name, layer] = tuple(f"blocks.{int(stage) - 1}.{index}.{part}" for part in (conv, norm))
    return {"efficientnet-lite-pytorch": conv_bn_keys(package), "timm": conv_bn_keys(timm)}
