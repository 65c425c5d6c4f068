"""Read a file of PyTorch weights in any format they are published in, told by the content and never by the name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from lena_jax.backbones.torch_file import read_tensors

# The types that NumPy has (bfloat16 with ml_dtypes). The format's narrower types are quantised and mean nothing alone.
_TYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
# What DataParallel and torch.compile put in front of every name.
_PREFIXES = ("module.", "_orig_mod.")


def read_weights(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Read the tensors of a `.safetensors`, `.pth`, `.pt` or `.bin` file without running anything in it.

    Args:
        path: the path of the file. A PyTorch checkpoint holds a state dictionary, or one under "state_dict" or "model".
        wanted: whether to read the tensor of a name; the others cost no memory.

    Returns:
        name -> array of the file's type and shape. A prefix that wrappers put in front of all names is removed.

    Raises:
        ValueError: if the file has neither format, is damaged, or needs more than tensors; the message names the file.
        OSError: if the file cannot be opened.
    """
    path = Path(path)
    read = _read_safetensors if _is_safetensors(path) else read_tensors
    tensors = read(path, lambda name: wanted(_bare(name)))
    while tensors and (
        prefix := next((prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in tensors)), None)
    ):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _bare(name: str) -> str:
    while prefix := next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name


def _is_safetensors(path: Path) -> bool:
    """Whether the ninth byte opens the JSON header; in PyTorch's zip archives and pickles it cannot be a brace."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_safetensors(path: Path, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="np") as file:
            # Refused by name here, because the library fails with an error of its own on a type that NumPy lacks.
            strange = {
                name: kind
                for name in file.keys()  # noqa: SIM118 (the reader is not a dictionary)
                if (kind := file.get_slice(name).get_dtype()) not in _TYPES
            }
            if strange:
                raise ValueError(f"got tensors of types {strange}, expected {', '.join(sorted(_TYPES))}")
            if not file.keys():
                raise ValueError("it has no tensors")
            return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: refused safetensors file: {error}") from error
