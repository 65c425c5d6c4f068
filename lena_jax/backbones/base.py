"""What every backbone has: a record that says how to build it, what it expects, and where its weights come from."""

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import numpy as np

from lena_jax.backbones.preprocessing import Preprocessing


@dataclasses.dataclass(frozen=True)
class Backbone:
    """Everything that other code knows about a network that turns pictures into a feature map.

    Attributes:
        name: the key in `BACKBONES`.
        build: makes the Flax module; takes the keyword options `endpoint`, `output_stride`, `dtype` and `axis_name`.
        stride: pixels per cell of the feature map at the first endpoint, unless `output_stride` says otherwise.
        channels: the number of channels of the feature map at the first endpoint.
        preprocessing: what its pretrained weights expect of pixels.
        stages: the names of its stages, from the picture to the end. The stage of a submodule is its name up to the
            first underscore.
        endpoints: where the backbone may end; the first is the default.
        weights: in words, where the pretrained weights come from and under which licence.
        source: the source of the pretrained weights, as `load_pretrained` takes it; None where there is none.
        torch_keys: returns naming -> (path of the leaf in `variables` -> key in a PyTorch state dictionary), one entry
            for each naming that is understood.
        classifier_prefixes: how the keys of the classifier begin, which the backbone leaves out.
        classifier_keys: the keys of the weight and the bias of a linear classifier on the features averaged over
            space, one pair for each naming; empty where the network has another kind of classifier.
        translate: gives the tensors of a file the names in `torch_keys`, for networks with more namings than a table of
            names can describe; None where the table is enough.
        remat: whether `build` takes `remat`, see `vit.ViT`.
        licence: of the weights at `source`, as an SPDX name where there is one; "" where there is no source.
        parameters: how many numbers the whole backbone learns.
        download: about how many bytes the file at `source` has.
        size: the side of the pictures that the weights were made for, in pixels.
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
    translate: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]] | None = None
    remat: bool = False
    licence: str = ""
    parameters: int = 0
    download: int = 0
    size: int = 224


def torchvision_weights(model: str) -> dict[str, str]:
    """Return the fields about weights for those of torchvision that timm hosts as `model`."""
    return {
        "weights": f"torchvision's (BSD-3-Clause), on Hugging Face as timm/{model}",
        "source": f"hf:timm/{model}",
        "licence": "bsd-3-clause",
    }


def timm_weights(model: str, licence: str) -> dict[str, str]:
    """Return the fields about weights for those that timm hosts as `model`, "NAME.TAG"."""
    return {"weights": f"timm/{model} on Hugging Face ({licence})", "source": f"hf:timm/{model}", "licence": licence}
