"""Save a trained ranker as one folder to share: weights (safetensors), a description (JSON) and a model card.

Loading runs no code from the folder, so it is safe for folders from strangers: the worst they can cause is an error.
"""

import dataclasses
import hashlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

import flax.traverse_util
import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors import numpy as safetensors_numpy

import lena_jax
from lena_jax.backbones import Preprocessing
from lena_jax.backbones.hub import find_on_hub
from lena_jax.backbones.variables import raise_misfit
from lena_jax.config import MOST_SIDE, default_config
from lena_jax.models import ranker
from lena_jax.runs import model_card
from lena_jax.runs import network as network_file
from lena_jax.runs.percentiles import TrainingScores
from lena_jax.runtime.files import unfinished_folder
from lena_jax.runtime.untrusted import parse_json

DESCRIPTION, WEIGHTS, CARD = "model.json", "model.safetensors", "README.md"
FORMAT = "lena-jax model, version 1"
# Limits for folders from untrusted sources.
_MOST_BYTES = 1 << 20
_BASELINE = "baseline/pooled"


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """The content of a folder that `save_model` wrote.

    Attributes:
        model: `ranker.Ranker`.
        variables: variables of the model, NumPy arrays.
        scores: `TrainingScores` without pooled features, which are among the variables; or None if they are unknown.
        description: content of `model.json`.
    """

    model: ranker.Ranker
    variables: dict
    scores: TrainingScores | None
    description: dict


def write(place, description, variables):
    """Write a saved model's folder, whole or not at all.

    Args:
        place: `pathlib.Path` of the folder, which must not exist yet (see `backbones.saved.check_place`).
        description: content of `model.json`; the hash of the weights is added here.
        variables: variables of the model.

    Raises:
        OSError: if the folder cannot be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    # Write next to the target, so that one rename finishes it.
    with unfinished_folder(place) as unfinished:
        written = unfinished / "model"
        written.mkdir()
        # Write the bytes with Python, so that all files get the same permissions.
        (written / WEIGHTS).write_bytes(safetensors_numpy.save(_flat(variables)))
        description = description | {"weights_sha256": _digest(written / WEIGHTS)}
        (written / DESCRIPTION).write_text(json.dumps(description, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (written / CARD).write_text(model_card.text(description), encoding="utf-8")
        os.rename(written, place)


def load_model(folder):
    """Read a folder that `save_model` wrote. The folder may be untrusted: none of its code is run.

    Returns:
        `SavedModel`.

    Raises:
        ValueError: if the folder is of another kind or version, damaged, or describes no valid network.
    """
    folder = Path(folder).expanduser().absolute()
    try:
        description = _description(_content(folder / DESCRIPTION))
        model = _model(description)
        scores = description["training_scores"]
        scores = None if scores is None else TrainingScores.from_json(scores)
        if _digest(_file(folder / WEIGHTS)) != description["weights_sha256"]:
            raise ValueError(f"{WEIGHTS} has changed since it was written: its SHA-256 differs")
        variables = _variables(folder / WEIGHTS, model)
    except (ValueError, OSError) as error:
        raise ValueError(f"{str(folder)!r} is not a folder that save_model wrote whole: {error}") from error
    return SavedModel(model, variables, scores, description)


def is_saved_model(folder):
    """Tell whether a folder looks like one that `save_model` wrote: it has a `model.json`."""
    return os.path.isfile(os.path.join(folder, DESCRIPTION))


def fetch(source):
    """Return the folder of a model from the Hugging Face hub, in the cache of `huggingface_hub`; download if needed.

    Args:
        source: "hf:OWNER/NAME" or "hf:OWNER/NAME@REVISION".

    Raises:
        ValueError: if the source has another form, or the cache mixes files of two revisions.
        FileNotFoundError: see `backbones.hub.find_on_hub`.
    """
    repository, at, revision = source.partition("@")
    if repository.count("/") != 1:
        raise ValueError(f"got source {source!r}, expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    weights, description = (find_on_hub(f"{repository}/{name}{at}{revision}") for name in (WEIGHTS, DESCRIPTION))
    if weights.parent != description.parent:
        raise ValueError(
            f"the cache holds files of {source!r} from two revisions, {weights} and {description}: delete "
            "one of them, or name the revision"
        )
    return description.parent


def network_of(config):
    """Return the part of a config that defines the network, as JSON values."""
    return {
        "image_size": config.image_size,
        "resize": config.resize,
        "dtype": config.dtype,
        "fusion": config.fusion,
        "clip_pooling": config.clip_pooling,
        "backbone": {name: config.backbone[name] for name in ("name", "endpoint", "output_stride")},
        "pooling": config.pooling,
        "pooling_options": dict(config.pooling_options.get(config.pooling, {})),
    }


def versions():
    """Return the versions to store in a saved model."""
    return {
        "lena_jax": lena_jax.__version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("jax", "flax", "numpy", "pillow")},
    }


def _flat(variables):
    leaves = flax.traverse_util.flatten_dict(variables, sep="/")
    return {name: np.ascontiguousarray(leaf) for name, leaf in leaves.items()}


def _file(path):
    if not path.is_file():  # Reading a pipe could block forever.
        raise ValueError(f"it has no file {path.name}")
    return path


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(path):
    with open(_file(path), "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path.name} has more than {_MOST_BYTES:,} bytes")
    return content


def _description(content):
    """Parse and check the JSON; not `measures`, `picture_properties` and `versions`, which are only shown as text."""
    try:
        stored = parse_json(content)
    except ValueError as error:
        raise ValueError(f"{DESCRIPTION} is {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        got = stored.get("format") if isinstance(stored, dict) else type(stored).__name__
        raise ValueError(f"{DESCRIPTION} has the format {_short(got)}, expected {FORMAT!r}")
    stored.setdefault("weights_licence", "")  # Older folders do not have it.
    _check_keys(
        DESCRIPTION,
        stored,
        {
            "format": str,
            "network": dict,
            "preprocessing": dict,
            "data": dict,
            "step": int,
            "weights_sha256": str,
            "training_scores": (dict, type(None)),
            "measures": (dict, type(None)),
            "picture_properties": (dict, type(None)),
            "versions": dict,
            "weights_licence": str,
        },
    )
    _check_keys("data", stored["data"], {"name": str, "score": str, "fingerprint": str})
    network = stored["network"]
    # Older folders do not have these.
    network.setdefault("clip_pooling", "joint")
    network.setdefault("resize", "squash")
    _check_keys(
        "network",
        network,
        {
            "image_size": int,
            "resize": str,
            "dtype": str,
            "fusion": str,
            "clip_pooling": str,
            "backbone": dict,
            "pooling": str,
            "pooling_options": dict,
        },
    )
    _check_keys("network.backbone", network["backbone"], {"name": str, "endpoint": str, "output_stride": int})
    if not 64 <= network["image_size"] <= MOST_SIDE:
        raise ValueError(f"network.image_size: got {_short(network['image_size'])}, expected 64 to {MOST_SIDE}")
    for name, value in network["pooling_options"].items():
        if not isinstance(value, (str, int, float)) or not np.isfinite(0.0 if isinstance(value, str) else value):
            raise ValueError(
                f"network.pooling_options.{_short(name)}: got {_short(value)}, expected a finite number or a string"
            )
    return stored


def _check_keys(where, stored, kinds):
    if set(stored) != set(kinds):
        raise ValueError(f"{where}: got the keys {_short(sorted(stored))}, expected {sorted(kinds)}")
    for name, kind in kinds.items():
        if not isinstance(stored[name], kind) or isinstance(stored[name], bool):
            expected = "/".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise ValueError(f"{where}, {name}: got {_short(stored[name])}, expected {expected}")


def _model(description):
    network = description["network"]
    config = default_config()
    try:
        config.image_size, config.dtype, config.fusion = network["image_size"], network["dtype"], network["fusion"]
        config.clip_pooling, config.resize = network["clip_pooling"], network["resize"]
        config.backbone.update(network["backbone"])
        config.pooling = network["pooling"]
        with config.unlocked():
            config.pooling_options = {network["pooling"]: network["pooling_options"]}
        preprocessing = Preprocessing.from_json(description["preprocessing"])
    # A `ConfigDict` keeps the types of its defaults.
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{DESCRIPTION} describes a network that cannot be built: {_short(error, str)}") from error
    return network_file.build(config, preprocessing, description["weights_licence"], DESCRIPTION)


def _variables(path, model):
    expected = flax.traverse_util.flatten_dict(model.abstract_variables(), sep="/")
    try:
        with safe_open(path, framework="np") as file:
            names = set(file.keys())
            if _BASELINE in names:  # Older folders do not have it.
                kernel = expected["params/head/kernel"]
                expected[_BASELINE] = jax.ShapeDtypeStruct(kernel.shape[:1], kernel.dtype)
            there = {name: file.get_slice(name) for name in expected if name in names}
            raise_misfit(
                path.name,
                {
                    "missing": sorted(set(expected) - names),
                    "left over": sorted(map(_short, names - set(expected))),
                    "mis-shaped": [
                        f"{name} (got {part.get_shape()}, expected {list(expected[name].shape)})"
                        for name, part in there.items()
                        if tuple(part.get_shape()) != expected[name].shape
                    ],
                    "mistyped": [
                        f"{name} (got {part.get_dtype()}, expected F32)"
                        for name, part in there.items()
                        if part.get_dtype() != "F32"
                    ],
                },
            )
            leaves = {name: file.get_tensor(name) for name in expected}
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from error
    if bad := [name for name, leaf in leaves.items() if not np.isfinite(leaf).all()]:
        raise ValueError(f"{path.name} has numbers that are not finite, in {bad[0]}")
    return flax.traverse_util.unflatten_dict(leaves, sep="/")


def _short(value, text=repr):
    """Format an untrusted value for a message, shortened if it is long."""
    text = text(value)
    return text if len(text) <= 200 else text[:200] + " ..."
