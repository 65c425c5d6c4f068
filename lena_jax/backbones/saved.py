"""A folder of converted weights: an Orbax checkpoint of a backbone's variables, and its description `weights.json`."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np

from lena_jax.backbones.preprocessing import Preprocessing
from lena_jax.backbones.registry import get_backbone
from lena_jax.backbones.variables import raise_misfit, variable_shapes
from lena_jax.runtime.files import unfinished_folder
from lena_jax.runtime.untrusted import read_object

_DESCRIPTION = "weights.json"
_VARIABLES = "variables"


def save_pretrained(
    directory: str | Path,
    name: str,
    variables: Mapping[str, Any],
    origin: str | Path | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    licence: str = "",
) -> Path:
    """Write a backbone's weights to a folder that `load_pretrained(name, directory)` reads, whole or not at all.

    Args:
        directory: the folder to make, with its parents.
        name: the name of the backbone, a key of `BACKBONES`.
        variables: those of the whole backbone, as `load_pretrained` returns them: float32, in host memory or on a
            device.
        origin: where the weights come from, noted in the folder.
        preprocessing: what the weights expect of pixels; None for what the backbone's record says.
        licence: of the weights, noted in the folder.

    Returns:
        The folder's absolute path.

    Raises:
        ValueError: if the backbone is unknown, variables are not its own (one message lists all of them), or the
            folder exists.
        OSError: if the folder cannot be written.
    """
    # Imported here: Orbax takes a while, and scoring does not need it.
    import orbax.checkpoint as ocp

    backbone = get_backbone(name)
    leaves = {path: np.asarray(leaf) for path, leaf in flax.traverse_util.flatten_dict(dict(variables)).items()}
    _check_fit("what was given", variable_shapes(backbone), leaves)
    folder = check_place(directory)
    folder.parent.mkdir(parents=True, exist_ok=True)
    description = {
        # The name of this key is part of the format: folders that people have made use it.
        "trunk": name,
        "preprocessing": (preprocessing or backbone.preprocessing).as_json(),
        "own_preprocessing": preprocessing is not None,
        "licence": licence,
        "origin": None if origin is None else str(origin),
        "sha256": _digest(leaves),
    }
    # Written next to its place, so that the last step is one rename.
    with unfinished_folder(folder) as place:
        unfinished = place / "weights"
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(unfinished / _VARIABLES, flax.traverse_util.unflatten_dict(leaves))
        (unfinished / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        os.rename(unfinished, folder)
    return folder


def load_saved(directory: str | Path, name: str) -> dict[str, Any]:
    """Read a folder that `save_pretrained` wrote: a nested dictionary of float32 NumPy arrays.

    Raises:
        ValueError: if the backbone is unknown, or the folder was not written by `save_pretrained`, belongs to another
            backbone or preprocessing, or is damaged.
    """
    import orbax.checkpoint as ocp

    backbone = get_backbone(name)
    folder = Path(directory).expanduser().absolute()
    stored = read_description(folder)
    stored_name, preprocessing = stored["trunk"], Preprocessing.from_json(stored["preprocessing"])
    if stored_name != name:
        raise ValueError(f"{folder} holds the weights of backbone {stored_name!r}, expected those of {name!r}")
    if preprocessing != backbone.preprocessing and not stored.get("own_preprocessing"):
        raise ValueError(
            f"{folder} holds weights for {preprocessing}, but backbone {name!r} has "
            f"{backbone.preprocessing}: convert them again from {stored.get('origin')!r}"
        )
    shapes = variable_shapes(backbone)
    targets = flax.traverse_util.unflatten_dict({path: np.empty(shape, np.float32) for path, shape in shapes.items()})
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            variables = checkpointer.restore(folder / _VARIABLES, targets)
    except Exception as error:  # For damaged files, Orbax may raise almost anything.
        raise ValueError(
            f"{folder} is damaged, or of another version of backbone {name!r}: {' '.join(str(error).split())[:200]}"
        ) from error
    leaves = flax.traverse_util.flatten_dict(variables)
    _check_fit(folder, shapes, leaves)
    # Orbax detects damage to its index, but not always to the numbers.
    if stored.get("sha256") != _digest(leaves):
        raise ValueError(f"{folder} is damaged: its numbers are not those that were written")
    return variables


def read_description(directory: str | Path) -> dict[str, Any]:
    """Read what a folder that `save_pretrained` wrote says of its weights.

    Raises:
        ValueError: if the folder was not written by `save_pretrained`, or is damaged.
    """
    folder = Path(directory).expanduser().absolute()
    try:
        stored = read_object(folder / _DESCRIPTION)
        if not isinstance(stored["trunk"], str):
            raise TypeError
        Preprocessing.from_json(stored["preprocessing"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder} is not a folder of weights that save_pretrained wrote whole: cannot read its {_DESCRIPTION}"
        ) from error
    return stored


def check_place(directory: str | Path) -> Path:
    """Return the absolute path of a folder to be made.

    Raises:
        ValueError: if something other than an empty folder is there.
    """
    folder = Path(directory).expanduser().absolute()
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise ValueError(f"{folder} exists: name another folder, or remove it first")
    return folder


def _digest(leaves: Mapping[tuple[str, ...], np.ndarray]) -> str:
    digest = hashlib.sha256()
    for path, leaf in sorted(leaves.items()):
        digest.update(f"{'/'.join(path)} {leaf.shape}\n".encode() + leaf.astype("<f4", order="C").tobytes())
    return digest.hexdigest()


def _check_fit(origin, shapes, leaves) -> None:
    got = {path: leaf for path, leaf in leaves.items() if path in shapes}
    raise_misfit(
        origin,
        {
            "missing": ["/".join(path) for path in shapes if path not in leaves],
            "left over": ["/".join(path) for path in leaves if path not in shapes],
            "mis-shaped": [
                f"{'/'.join(path)} (got {leaf.shape}, expected {shapes[path]})"
                for path, leaf in got.items()
                if leaf.shape != shapes[path]
            ],
            "mistyped": [
                f"{'/'.join(path)} (got {leaf.dtype}, expected float32)"
                for path, leaf in got.items()
                if leaf.dtype != np.float32
            ],
        },
    )
