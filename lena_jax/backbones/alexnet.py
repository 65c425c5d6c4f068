"""AlexNet up to conv5, in the single-column form that torchvision has weights for.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (arXiv 1404.5997): no groups
and no local response normalisation, unlike the network of 2012.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.base import Backbone
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import ConvBias, max_pool
from lena_jax.backbones.preprocessing import IMAGENET

CHANNELS = 256
ENDPOINTS = ("conv5",)
STAGES = ("conv1", "conv2", "conv3", "conv4", "conv5")
STRIDE = 16
CLASSIFIER_PREFIXES = ("classifier.",)


class _Convolution(NamedTuple):
    channels: int
    kernel_size: int
    stride: int
    padding: int
    # Whether a 3x3 max pooling with stride 2 comes before it.
    pooled: bool
    torch_name: str


_CONVOLUTIONS = {
    "conv1": _Convolution(64, 11, 4, 2, False, "features.0"),
    "conv2": _Convolution(192, 5, 1, 2, True, "features.3"),
    "conv3": _Convolution(384, 3, 1, 1, True, "features.6"),
    "conv4": _Convolution(256, 3, 1, 1, False, "features.8"),
    "conv5": _Convolution(256, 3, 1, 1, False, "features.10"),
}


class AlexNet(nn.Module):
    """The five convolutions of AlexNet, each with ReLU, and the two max poolings between them; none after conv5.

    Attributes:
        endpoint: "conv5", the only one.
        output_stride: 16, the only one.
        dtype: the type of computation and result; parameters stay float32.
        axis_name: unused, since there is no BatchNorm; every backbone has it.
    """

    endpoint: str = "conv5"
    output_stride: int = STRIDE
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, normalised as the weights expect; H and W at least 64.
            train: changes nothing, since there is no BatchNorm.

        Returns:
            `[B, h, w, 256]` in [0, inf). No padding keeps the size, so `h` is a little less than `H / 16`: 3 for 64,
            13 for 224.

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, or the backbone does not have the
                endpoint or the output stride.
        """
        del train
        check_pictures(x)
        check_choice("endpoint", self.endpoint, ENDPOINTS)
        check_choice("output_stride", self.output_stride, (STRIDE,))
        for name, conv in _CONVOLUTIONS.items():
            if conv.pooled:
                x = max_pool(x, 3, 2)
            x = ConvBias(conv.channels, conv.kernel_size, conv.stride, conv.padding, dtype=self.dtype, name=name)(x)
        return x


def torch_keys() -> dict[str, dict[tuple[str, ...], str]]:
    """Return naming -> (path of each leaf in `variables` -> its key in a state dictionary)."""
    return {
        "torchvision": {
            ("params", name, leaf): f"{conv.torch_name}.{torch_leaf}"
            for name, conv in _CONVOLUTIONS.items()
            for leaf, torch_leaf in (("kernel", "weight"), ("bias", "bias"))
        }
    }


RECORDS = (
    Backbone(
        name="alexnet",
        build=AlexNet,
        stride=STRIDE,
        channels=CHANNELS,
        preprocessing=IMAGENET,
        stages=STAGES,
        endpoints=ENDPOINTS,
        weights="a file with torchvision's",
        torch_keys=torch_keys,
        classifier_prefixes=CLASSIFIER_PREFIXES,
        parameters=2_469_696,
    ),
)
