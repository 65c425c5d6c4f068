"""Backbones that compile in a second, with and without BatchNorm, and a config that uses them."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from lena_jax import backbones
from lena_jax.backbones import Backbone, Preprocessing


class TinyBackbone(nn.Module):
    """Two stages of one convolution each, with a total stride of 8."""

    endpoint: str = "second"
    output_stride: int = 8
    dtype: Any = jnp.float32
    axis_name: str | None = None
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x, train=False):
        for stage, channels, stride in (("first", 8, 4), ("second", 12, 2)):
            # The default initialiser takes longer to compile than everything else here.
            x = nn.Conv(
                channels, (3, 3), (stride, stride), kernel_init=nn.initializers.normal(0.2), name=f"{stage}_conv"
            )(x)
            if self.batch_norm:
                x = nn.BatchNorm(
                    use_running_average=not train, momentum=0.9, axis_name=self.axis_name, name=f"{stage}_norm"
                )(x)
            x = nn.relu(x)
        return x


def tiny_trunks():
    """Return the registry entries "tiny" and "tiny_norm"."""

    def build(batch_norm):
        return lambda **options: TinyBackbone(batch_norm=batch_norm, **options)

    pixels = Preprocessing((0.5,) * 3, (0.25,) * 3)
    return {
        name: Backbone(name, build(batch_norm), 8, 12, pixels, ("first", "second"), ("second",))
        for name, batch_norm in (("tiny", False), ("tiny_norm", True))
    }


def get_config():
    """Return the config for experiments/train.py, which gets this file as --config."""
    from lena_jax.config import default_config

    backbones.BACKBONES.update(tiny_trunks())
    config = default_config()
    config.backbone.name, config.backbone.pretrained, config.backbone.frozen = "tiny", False, False
    config.image_size, config.steps, config.batch_size, config.log_every, config.eval_every = 64, 24, 16, 1, 4
    return config
