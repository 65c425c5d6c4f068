"""ResNet: residual stages of 3x3 convolutions (18 layers) or of bottlenecks (50 layers).

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (arXiv 1512.03385). A bottleneck
has its stride in the 3x3 convolution, as in torchvision's weights ("v1.5"), not in the first 1x1.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.base import Backbone, torchvision_weights
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBN, max_pool
from lena_jax.backbones.preprocessing import IMAGENET
from lena_jax.backbones.torch_names import conv_bn_keys

ENDPOINTS = ("layer4", "layer3")
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
STRIDE = 32
CLASSIFIER_PREFIXES = ("fc.",)

_STEM_CHANNELS = 64
# Those of BatchNorm in PyTorch.
_NORM = dict(epsilon=1e-5, momentum=0.9)


class Architecture(NamedTuple):
    """The blocks in each of the four stages; a bottleneck multiplies its channels by `expansion` at its end."""

    repeats: tuple[int, int, int, int]
    bottleneck: bool

    @property
    def expansion(self) -> int:
        return 4 if self.bottleneck else 1

    @property
    def channels(self) -> int:
        """The channels of layer4; layer3 has half as many."""
        return 512 * self.expansion


RESNET18 = Architecture((2, 2, 2, 2), bottleneck=False)
RESNET50 = Architecture((3, 4, 6, 3), bottleneck=True)


class ResidualBlock(nn.Module):
    """`relu(f(x) + x)`, where `f` is two 3x3 convolutions, or 1x1, 3x3 and 1x1 with four times the channels.

    Where the channels change, a 1x1 convolution with BatchNorm ("downsample") replaces the second `x`. The strided 3x3
    convolution is dilated by `strided_dilation`, the one after it by `dilation`.
    """

    channels: int
    stride: int = 1
    strided_dilation: int = 1
    dilation: int = 1
    bottleneck: bool = False
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Map `x: [B, H, W, in]` to `[B, ceil(H / stride), ceil(W / stride), channels]`, or 4 times the channels."""
        options = dict(dtype=self.dtype, axis_name=self.axis_name, **_NORM)
        strided = (self.channels, 3, self.stride, self.strided_dilation)
        if self.bottleneck:
            layers = ((self.channels, 1, 1, 1), strided, (4 * self.channels, 1, 1, 1))
        else:
            layers = (strided, (self.channels, 3, 1, self.dilation))
        y = x
        for number, (channels, size, stride, dilation) in enumerate(layers, start=1):
            y = ConvBN(
                channels,
                size,
                stride,
                dilation,
                padding=dilation * (size // 2),
                name=f"conv{number}",
                activation=None if number == len(layers) else nn.relu,
                **options,
            )(y, train)
        if x.shape[-1] != y.shape[-1]:
            x = ConvBN(y.shape[-1], 1, self.stride, padding=0, activation=None, name="downsample", **options)(x, train)
        return nn.relu(y + x)


class ResNet(nn.Module):
    """The convolutional part of a ResNet: 7x7 convolution, max pooling and residual stages.

    Attributes:
        architecture: `RESNET18` or `RESNET50`.
        endpoint: "layer4", the last stage; or "layer3", the last one of stride 16.
        output_stride: the stride of layer4, 32 or 16. With 16 its stride is left out and the convolutions after that
            are dilated by 2 (Chen et al., arXiv 1706.05587; torchvision's `replace_stride_with_dilation`). The cells
            `[::2, ::2]` are those of stride 32.
        dtype: the type of computation and result; parameters stay float32.
        axis_name: the mapped axis over which `train=True` averages the batch statistics, or None.
    """

    architecture: Architecture = RESNET50
    endpoint: str = "layer4"
    output_stride: int = STRIDE
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, normalised as the weights expect; H and W at least 64.
            train: whether to normalise with the batch's statistics and update the running ones
                (`mutable=["batch_stats"]`).

        Returns:
            `[B, ceil(H / stride), ceil(W / stride), channels]` in [0, inf): stride `output_stride` and 512 (ResNet-18)
            or 2048 channels (ResNet-50) for layer4; stride 16 and half as many channels for layer3.

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, or the backbone does not have the
                endpoint or the output stride.
        """
        check_pictures(x)
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        check_choice("output_stride", self.output_stride, (16, STRIDE))
        options = dict(dtype=self.dtype, axis_name=self.axis_name)
        x = ConvBN(_STEM_CHANNELS, 7, 2, padding=3, activation=nn.relu, name="stem", **_NORM, **options)(x, train)
        x = max_pool(x, 3, 2, padding=1)
        last = STAGES.index(self.endpoint)
        for name, block in _iterate_blocks(self.architecture):
            if block.stage > last:
                break
            strided_dilation, dilation, stride = 1, 1, block.stride
            if block.stage == 4 and self.output_stride == 16:
                # Only the first strided convolution still reads the cells of layer3; for those after it, every second
                # cell is one.
                strided_dilation, dilation, stride = 1 if block.opens_stage else 2, 2, 1
            x = ResidualBlock(
                block.channels, stride, strided_dilation, dilation, self.architecture.bottleneck, name=name, **options
            )(x, train)
        return x


class _Block(NamedTuple):
    """One residual block; `channels` are those of its 3x3 convolutions."""

    stage: int
    opens_stage: bool
    channels: int

    @property
    def stride(self) -> int:
        return 2 if self.opens_stage and self.stage > 1 else 1


def _iterate_blocks(architecture: Architecture) -> Iterator[tuple[str, _Block]]:
    """Yield (module name, block) in order."""
    for stage, repeats in enumerate(architecture.repeats, start=1):
        for index in range(repeats):
            yield f"layer{stage}_block{index}", _Block(stage, index == 0, 64 * 2 ** (stage - 1))


def torch_keys(architecture: Architecture) -> dict[str, dict[tuple[str, ...], str]]:
    """Return naming -> (path of each leaf in `variables` -> its key in a state dictionary)."""
    layers = {("stem",): ("conv1", "bn1")}
    channels_in = _STEM_CHANNELS
    for name, block in _iterate_blocks(architecture):
        prefix = name.replace("_block", ".")
        for number in range(1, 4 if architecture.bottleneck else 3):
            layers[name, f"conv{number}"] = (f"{prefix}.conv{number}", f"{prefix}.bn{number}")
        channels_out = block.channels * architecture.expansion
        if channels_out != channels_in:
            layers[name, "downsample"] = (f"{prefix}.downsample.0", f"{prefix}.downsample.1")
        channels_in = channels_out
    return {"torchvision and timm": conv_bn_keys(layers)}


def _record(name: str, architecture: Architecture, parameters: int) -> Backbone:
    return Backbone(
        name=name,
        build=functools.partial(ResNet, architecture=architecture),
        stride=STRIDE,
        channels=architecture.channels,
        preprocessing=IMAGENET,
        stages=STAGES,
        endpoints=ENDPOINTS,
        torch_keys=functools.partial(torch_keys, architecture),
        classifier_prefixes=CLASSIFIER_PREFIXES,
        classifier_keys=(("fc.weight", "fc.bias"),),
        parameters=parameters,
        download=4 * (parameters + 1000 * (architecture.channels + 1)),
        # The names resnet18 and resnet50 alone would be timm's own weights, of another recipe.
        **torchvision_weights(f"{name}.tv_in1k"),
    )


RECORDS = (_record("resnet18", RESNET18, 11_176_512), _record("resnet50", RESNET50, 23_508_032))
