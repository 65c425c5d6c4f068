"""VGG16 up to conv5_3: thirteen 3x3 convolutions in five stages, with BatchNorm or without.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015 (arXiv
1409.1556), configuration D.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBias, ConvBN, max_pool
from lena_jax.backbones.torch_names import conv_bn_keys

CHANNELS = 512
ENDPOINTS = ("conv5_3", "conv4_3")
STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")
STRIDE = 16
# torchvision's three linear layers; timm's first two, which it keeps as convolutions, and its last.
CLASSIFIER_PREFIXES = ("classifier.", "pre_logits.", "head.")

_CONVOLUTIONS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class VGG16(nn.Module):
    """The convolutions of VGG16, each with ReLU, and the four max poolings between its stages; no pool5.

    Attributes:
      batch_norm: BatchNorm between convolution and ReLU, as torchvision's `vgg16_bn` has it.
      endpoint: "conv5_3", the last convolution; or "conv4_3", the last of stride 8.
      output_stride: of conv5_3; 16 is all there is.
      dtype: type that is computed in and returned; parameters stay float32.
      axis_name: the mapped axis over which `train=True` averages the batch statistics, or None.
    """

    batch_norm: bool = False
    endpoint: str = "conv5_3"
    output_stride: int = STRIDE
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Features of pictures.

        Args:
          x: `[B, H, W, 3]`, normalised as the weights expect it; H and W from 64.
          train: with `batch_norm`, normalise with the batch's statistics and update the running ones
            (`mutable=["batch_stats"]`).

        Returns:
          `[B, floor(H / 16), floor(W / 16), 512]` in [0, inf); of conv4_3 with 8 in place of 16.

        Raises:
          ValueError: `x` is not a batch of RGB pictures of at least 64 px, or the endpoint or the output stride
            is not one of the trunk's.
        """
        check_pictures(x)
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        check_choice("output_stride", self.output_stride, (STRIDE,))
        options = dict(kernel_size=3, padding=1, activation=nn.relu, dtype=self.dtype)
        for name, channels, opens_stage in _iterate_convolutions():
            if opens_stage and name != "conv1_1":
                x = max_pool(x, 2, 2)
            if self.batch_norm:
                x = ConvBN(
                    channels, conv_bias=True, epsilon=1e-5, momentum=0.9, axis_name=self.axis_name, name=name, **options
                )(x, train)
            else:
                x = ConvBias(channels, name=name, **options)(x)
            if name == self.endpoint:
                return x


def _iterate_convolutions() -> Iterator[tuple[str, int, bool]]:
    """Yields (module name, channels, whether it is the first of its stage) in order."""
    for stage, (repeats, channels) in zip(STAGES, _CONVOLUTIONS, strict=True):
        for number in range(1, repeats + 1):
            yield f"{stage}_{number}", channels, number == 1


def torch_keys(batch_norm: bool = False) -> dict[str, dict[tuple[str, ...], str]]:
    """Naming -> the name of each variable in it: path of the leaf in `variables` -> key."""
    layers, keys = {}, {}
    # Convolutions, BatchNorms, ReLUs and poolings are numbered through.
    position = 0
    for name, _, opens_stage in _iterate_convolutions():
        position += opens_stage and name != "conv1_1"
        conv = f"features.{position}"
        keys["params", name, "conv_bias" if batch_norm else "bias"] = f"{conv}.bias"
        if batch_norm:
            layers[name,] = (conv, f"features.{position + 1}")
        else:
            keys["params", name, "kernel"] = f"{conv}.weight"
        position += 3 if batch_norm else 2
    return {"torchvision and timm": keys | conv_bn_keys(layers)}
