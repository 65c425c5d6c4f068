"""VGG16 up to conv5_3: thirteen 3x3 convolutions in five stages, with or without BatchNorm.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015 (arXiv
1409.1556), configuration D.
"""

import functools
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.base import Backbone, torchvision_weights
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBias, ConvBN, max_pool
from lena_jax.backbones.preprocessing import IMAGENET, Preprocessing
from lena_jax.backbones.torch_names import conv_bn_keys

CHANNELS = 512
ENDPOINTS = ("conv5_3", "conv4_3")
STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")
STRIDE = 16
# torchvision's three linear layers; timm's first two, which are convolutions there, and its last.
CLASSIFIER_PREFIXES = ("classifier.", "pre_logits.", "head.")

_CONVOLUTIONS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class VGG16(nn.Module):
    """The convolutions of VGG16, each with ReLU, and the four max poolings between its stages; no pool5.

    Attributes:
        batch_norm: whether there is BatchNorm between convolution and ReLU, as in torchvision's `vgg16_bn`.
        endpoint: "conv5_3", the last convolution; or "conv4_3", the last of stride 8.
        output_stride: the stride of conv5_3, 16, the only one.
        dtype: the type of computation and result; parameters stay float32.
        axis_name: the mapped axis over which `train=True` averages the batch statistics, or None.
    """

    batch_norm: bool = False
    endpoint: str = "conv5_3"
    output_stride: int = STRIDE
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, normalised as the weights expect; H and W at least 64.
            train: with `batch_norm`, whether to normalise with the batch's statistics and update the running ones
                (`mutable=["batch_stats"]`).

        Returns:
            `[B, floor(H / 16), floor(W / 16), 512]` in [0, inf); for conv4_3 with 8 instead of 16.

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, or the backbone does not have the
                endpoint or the output stride.
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
    """Yield (module name, channels, whether it is the first of its stage) in order."""
    for stage, (repeats, channels) in zip(STAGES, _CONVOLUTIONS, strict=True):
        for number in range(1, repeats + 1):
            yield f"{stage}_{number}", channels, number == 1


def torch_keys(batch_norm: bool = False) -> dict[str, dict[tuple[str, ...], str]]:
    """Return naming -> (path of each leaf in `variables` -> its key in a state dictionary)."""
    layers, keys = {}, {}
    # Convolutions, BatchNorms, ReLUs and poolings share one numbering.
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


# Caffe's networks take pixels from 0 to 255 minus their mean.
_CAFFE = Preprocessing((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, "BGR")


def _record(name: str, preprocessing: Preprocessing, batch_norm: bool = False, **origin: str) -> Backbone:
    return Backbone(
        name=name,
        build=functools.partial(VGG16, batch_norm=batch_norm),
        stride=STRIDE,
        channels=CHANNELS,
        preprocessing=preprocessing,
        stages=STAGES,
        endpoints=ENDPOINTS,
        torch_keys=functools.partial(torch_keys, batch_norm),
        classifier_prefixes=CLASSIFIER_PREFIXES,
        parameters=14_723_136 if batch_norm else 14_714_688,
        # With its three layers of classifier.
        download=553_000_000 if origin.get("source") else 0,
        **origin,
    )


RECORDS = (
    _record("vgg16", IMAGENET, **torchvision_weights("vgg16.tv_in1k")),
    _record("vgg16_bn", IMAGENET, batch_norm=True, **torchvision_weights("vgg16_bn.tv_in1k")),
    # The network and the preprocessing of the paper.
    _record("vgg16_caffe", _CAFFE, weights="a file with those of Simonyan and Zisserman, converted from Caffe"),
)
