"""Backbones by name. To add one: write its file with its `RECORDS`, and name the file here."""

import difflib
import importlib

from lena_jax.backbones.base import Backbone

_FILES = (
    "efficientnet_lite",
    "vgg",
    "alexnet",
    "resnet",
    "vit_records",
    "convnext_records",
)
BACKBONES: dict[str, Backbone] = {
    record.name: record for file in _FILES for record in importlib.import_module(f"lena_jax.backbones.{file}").RECORDS
}


def get_backbone(name: str) -> Backbone:
    """Return the backbone called `name`.

    Raises:
        ValueError: if there is none; the message suggests the nearest name and lists all.

    Example:
        >>> from lena_jax.backbones import get_backbone
        >>> get_backbone("resnet50").channels
        2048
        >>> get_backbone("resnet5")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: got backbone 'resnet5'; did you mean 'resnet50'? expected one of ['alexnet', ...]
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(str(name), BACKBONES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"got backbone {name!r}; {hint}expected one of {sorted(BACKBONES)}")


def stage_of(module_name: str) -> str:
    """Return the stage that a submodule of a backbone belongs to.

    Example:
        >>> from lena_jax.backbones.registry import stage_of
        >>> stage_of("stage6_block0"), stage_of("conv5_3")
        ('stage6', 'conv5')
    """
    return module_name.split("_")[0]
