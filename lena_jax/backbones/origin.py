"""What comes with a source of weights: its licence, and the pixels and the size of pictures that it expects."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lena_jax.backbones.hub import NoSuchFile, find_on_hub
from lena_jax.backbones.licences import licence_of
from lena_jax.backbones.preprocessing import Preprocessing
from lena_jax.backbones.pretrained import source_of
from lena_jax.backbones.registry import get_backbone
from lena_jax.backbones.saved import read_description
from lena_jax.runtime.untrusted import read_object

# Beside the weights: timm's, transformers' and OpenCLIP's.
_FILES = ("config.json", "preprocessor_config.json", "open_clip_config.json")
_MOST_BYTES = 1 << 20
UNKNOWN = "not known: neither the source nor a file beside it names one"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where weights come from, and what belongs to them.

    Attributes:
        source: the source, as `load_pretrained` takes it.
        licence: of the weights, or `UNKNOWN`.
        preprocessing: what they expect of pixels.
        size: the side of the pictures that they were made for, in pixels.
        interpolation: how pictures were resized for them.
    """

    source: str
    licence: str
    preprocessing: Preprocessing
    size: int
    interpolation: str = "bicubic"

    def text(self, name: str, image_size: int) -> str:
        """Describe the weights of the backbone `name` for a model of pictures of `image_size` pixels, in one line."""
        text = f"weights of {name}: {self.source}, licence {self.licence}"
        if self.size != image_size:
            text += f"; made for {self.size} px, used at {image_size} px"
        if self.interpolation != "bicubic":
            text += f"; made for pictures resized with {self.interpolation} interpolation, used with bicubic"
        return text


def origin_of(name: str, source: str | Path | None = None) -> Origin:
    """Find out what belongs to the weights of a source, without reading the weights.

    The mean, deviation, size and interpolation come from timm's `config.json` (`pretrained_cfg`), transformers'
    `preprocessor_config.json` or OpenCLIP's `open_clip_config.json` beside the file or in its repository on the hub,
    otherwise from the backbone's record. The licence comes from `config.json`, from the tag in timm's name of the
    weights, or, for the default source, from the record.

    Args:
        name: the name of the backbone, a key of `BACKBONES`.
        source: see `load_pretrained`; None for the backbone's own source.

    Raises:
        ValueError: if the backbone is unknown, it has no source of its own and none is given, or a file beside the
            weights has a mean or a deviation that is not three finite numbers.

    Example:
        >>> from lena_jax.backbones.origin import origin_of
        >>> origin_of("efficientnet_lite0").licence
        'apache-2.0'
    """
    backbone = get_backbone(name)
    given = str(source_of(backbone, source))
    path = Path(given).expanduser()
    licence = backbone.licence if given == backbone.source else UNKNOWN
    if path.is_dir():
        stored = read_description(path)
        preprocessing = Preprocessing.from_json(stored["preprocessing"])
        return Origin(given, stored.get("licence") or UNKNOWN, preprocessing, backbone.size)
    if licence == UNKNOWN:
        licence = _licence_in_name(backbone.source, given)
    found = {} if given.startswith("wheel:") else _described(given, path)
    try:
        preprocessing = Preprocessing(tuple(found["mean"]), tuple(found["std"]))
    except KeyError:
        preprocessing = backbone.preprocessing
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the description beside the weights {given!r} has no valid mean and deviation: {error}"
        ) from error
    return Origin(
        given,
        str(found.get("license") or licence),
        preprocessing,
        found.get("size", backbone.size),
        str(found.get("interpolation", "bicubic")),
    )


def _licence_in_name(default: str | None, given: str) -> str:
    """Return the licence by the tag in a name of timm, "hf:timm/NAME.TAG" or ".../NAME.TAG.safetensors"."""
    model = default.removeprefix("hf:timm/").partition(".")[0] if default else None
    name = given.partition("@")[0].rpartition("/")[2].removesuffix(".safetensors").removesuffix(".pth")
    is_timms = given.startswith("hf:timm/") or (model is not None and name.startswith(f"{model}."))
    return licence_of(name) if is_timms and "." in name else UNKNOWN


def _described(given: str, path: Path) -> dict[str, Any]:
    """Return {"mean", "std", "size", "interpolation", "license"} as far as the files beside the weights have them."""
    found: dict[str, Any] = {}
    for name in _FILES:
        try:
            content = _content(given, path, name)
        except NoSuchFile:
            continue
        except FileNotFoundError:
            break  # Without a network, asking for the next file takes as long again.
        for key, value in _fields(content).items():
            found.setdefault(key, value)
        if {"mean", "std"} <= set(found):
            break
    return found


def _content(given: str, path: Path, name: str) -> Mapping[str, Any]:
    if given.startswith("hf:"):
        repository, at, revision = given.partition("@")
        path = find_on_hub("/".join([*repository.split("/")[:2], name]) + at + revision)
    else:
        path = path.parent / name
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise NoSuchFile(name)
    try:
        return read_object(path)
    except ValueError:
        return {}


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    timm, openclip = content.get("pretrained_cfg"), content.get("preprocess_cfg")
    if isinstance(timm, dict):
        found = {key: timm[key] for key in ("mean", "std", "interpolation", "license") if timm.get(key)}
        size = timm.get("input_size")
        return found | ({"size": size[-1]} if _is_size(size) else {})
    if isinstance(openclip, dict):
        size = openclip.get("size")
        found = {key: openclip[key] for key in ("mean", "std", "interpolation") if openclip.get(key)}
        return found | ({"size": size} if isinstance(size, int) else {})
    if "image_mean" in content and "image_std" in content:
        return {"mean": content["image_mean"], "std": content["image_std"]}
    return {}


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(one, int) for one in value)
