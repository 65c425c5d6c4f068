"""Read the tensors of a PyTorch checkpoint (`.pth`) without PyTorch and without trusting the file.

Both formats are read: the zip archive of `torch.save` since PyTorch 1.6, and the older stream of pickles ("legacy").
"""

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lena_jax.backbones.torch_pickle import Storage, TensorRecord, read_pickle
from lena_jax.runtime.untrusted import described

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MAX_PICKLE_BYTES = 64 * 2**20
# Some 70 bytes for each member; what is read of it takes ten times the memory.
_MAX_DIRECTORY_BYTES = 4 * 2**20
# Offsets, shapes and strides beyond this describe no tensor, and NumPy takes no larger numbers.
_MOST_NUMBERS = 2**59
# What the libraries raise for damaged archives and pickles, beyond ValueError and OSError. A member that is encrypted
# is a RuntimeError, a length that no machine has is an OverflowError.
_DAMAGE = (zipfile.BadZipFile, EOFError, RuntimeError, MemoryError, OverflowError, struct.error, zlib.error)
# The keys under which training scripts keep the weights, next to their own state.
_WRAPPERS = ("state_dict", "model")


def read_tensors(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Read a state dictionary.

    Args:
        path: a `.pth` file that holds a dictionary from names to tensors, or one under the key `state_dict` or
            `model`.
        wanted: whether to read the tensor of a name; the others cost no memory.

    Returns:
        name -> read-only array, in the order of the file.

    Raises:
        ValueError: if the file is not such a checkpoint, is damaged, asks for a global that tensors do not need (the
            message names it), or describes a tensor that does not lie inside its storage.
        OSError: if the file cannot be opened.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # A pipe would be waited for.
        raise ValueError(f"{path}: is a folder, a device or a pipe, expected a file")
    with path.open("rb") as file:
        try:
            if file.read(4) == b"PK\x03\x04":
                state, storages = _read_zip(file, wanted)
            else:
                file.seek(0)
                state, storages = _read_legacy(file, wanted)
            return {name: _view(name, record, storages) for name, record in _state_dict(state).items() if wanted(name)}
        except (ValueError, OSError, *_DAMAGE) as error:
            said = " ".join(str(error).split())[:600]
            raise ValueError(f"{path}: {said or type(error).__name__}") from error


class _Pieces:
    """A file of which no piece beyond a limit is read: lengths in a damaged file can be anything.

    Attributes:
        most: the largest piece in bytes; `readline` counts the bytes that are left of it. None for no limit.
    """

    def __init__(self, file: BinaryIO, most: int | None):
        self._file, self.most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.end = os.fstat(file.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        # No buffer for bytes that are not there.
        left = max(0, self.end - self._file.tell())
        size = min(size, left) if size >= 0 else left
        if self.most is not None and size > self.most:
            raise ValueError(f"refused file: a piece of {size:,} bytes, expected at most {self.most:,}")
        return self._file.read(size)

    def readline(self) -> bytes:
        return self._file.readline(-1 if self.most is None else self.most)


def _state_dict(state) -> dict[str, TensorRecord]:
    if isinstance(state, dict):
        state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not state:
        raise ValueError(f"got a checkpoint of type {type(state).__name__}, expected a dictionary of tensors")
    strange = [name for name, value in state.items() if not (isinstance(name, str) and isinstance(value, TensorRecord))]
    if strange:
        raise ValueError(f"got entries that are no tensors: {described(strange[:5])}, expected a dictionary of tensors")
    return state


def _view(name: str, record: TensorRecord, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Return the tensor as a view of its storage, after checking that it lies inside."""
    storage, offset, shape, strides = record
    data = storages[storage.key]
    if (
        not isinstance(shape, tuple)
        or not isinstance(strides, tuple)
        or len(shape) != len(strides)
        or len(shape) > 32
        or not all(type(n) is int and 0 <= n < _MOST_NUMBERS for n in (offset, *shape, *strides))
    ):
        raise ValueError(
            f"tensor {described(name)}: got offset {described(offset)}, shape {described(shape)} and strides "
            f"{described(strides)}, expected whole numbers from 0 to 2^59, as many strides as axes"
        )
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # The second condition refuses a huge tensor made of one number (stride 0).
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    if data.dtype != storage.dtype or last >= data.size or math.prod(shape) > data.size:
        raise ValueError(
            f"tensor {described(name)}: offset {offset}, shape {described(shape)} and strides {described(strides)} "
            f"reach outside its storage of {data.size} numbers of type {data.dtype}"
        )
    # An axis of one entry makes no step, whatever its stride.
    bytes_per_step = tuple(
        stride * data.itemsize if size > 1 else data.itemsize for size, stride in zip(shape, strides, strict=True)
    )
    return np.lib.stride_tricks.as_strided(data[offset:], shape, bytes_per_step, writeable=False)


def _storages_of(state) -> dict[str, Storage]:
    """Return the storages that the tensors of a state dictionary need, by key."""
    found = {}
    for name, record in _state_dict(state).items():
        storage = record.storage
        if found.setdefault(storage.key, storage) != storage:
            raise ValueError(f"tensor {described(name)}: its storage {described(storage.key)} is described in two ways")
    return found


def _wanted_keys(state, wanted: Callable[[str], bool]) -> set[str]:
    return {record.storage.key for name, record in _state_dict(state).items() if wanted(name)}


def _read_zip(file: BinaryIO, wanted: Callable[[str], bool]) -> tuple[dict, dict[str, np.ndarray]]:
    pieces = _Pieces(file, _MAX_DIRECTORY_BYTES)
    with zipfile.ZipFile(pieces) as archive:
        pieces.most = None  # What follows is checked by the sizes of the members.
        members = {}
        for member in archive.infolist():
            if member.filename in members:
                raise ValueError(f"damaged archive: two members are named {described(member.filename)}")
            members[member.filename] = member

        left = pieces.end

        def read(name: str, size: int | None = None) -> bytes:
            nonlocal left
            member = members.get(name)
            if member is None:
                raise ValueError(f"damaged archive: member {described(name)} is missing")
            # PyTorch never compresses; a small file that unpacks to a huge one is an attack.
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise ValueError(f"refused archive: member {described(name)} is compressed")
            if size is not None and member.file_size != size:
                raise ValueError(
                    f"damaged archive: member {described(name)} has {member.file_size} bytes, expected {size}"
                )
            # Members may lie at the same bytes, and each would be read anew.
            if (left := left - member.file_size) < 0:
                raise ValueError("damaged archive: its members have more bytes than the file")
            return archive.read(member)

        pickles = [name for name in members if re.fullmatch(r"[^/\\]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise ValueError(f"got a zip archive with {len(pickles)} members NAME/data.pkl, expected one")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in members and read(f"{folder}byteorder").strip() != b"little":
            raise ValueError("got a checkpoint that is not little-endian")
        if members[pickles[0]].file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"refused archive: a pickle of {members[pickles[0]].file_size} bytes")
        state = read_pickle(io.BytesIO(read(pickles[0])))
        storages, chosen = {}, _wanted_keys(state, wanted)
        for key, storage in _storages_of(state).items():
            # The key becomes part of a member's name, and is never used as a path on disk.
            if not re.fullmatch(r"[0-9]{1,12}", key):
                raise ValueError(f"refused pickle: got the storage key {described(key)}, expected digits")
            if key in chosen:
                data = read(f"{folder}data/{key}", storage.size * storage.dtype.itemsize)
                storages[key] = np.frombuffer(data, storage.dtype)
    return state, storages


def _read_legacy(file: BinaryIO, wanted: Callable[[str], bool]) -> tuple[dict, dict[str, np.ndarray]]:
    first = file.read(1)
    file.seek(0)
    pieces = _Pieces(file, _MAX_PICKLE_BYTES)
    if first != b"\x80" or read_pickle(pieces) != _LEGACY_MAGIC or read_pickle(pieces) != _LEGACY_PROTOCOL:
        raise ValueError("neither a zip archive nor a legacy checkpoint of PyTorch")
    system = read_pickle(pieces)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("got a checkpoint that is not little-endian")
    state = read_pickle(pieces)
    keys = read_pickle(pieces)
    needed = _storages_of(state)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(needed):
        raise ValueError("damaged checkpoint: its list of storages is not the one that its tensors need")
    storages, chosen = {}, _wanted_keys(state, wanted)
    for key in keys:
        storage, header = needed[key], file.read(8)
        length = storage.size * storage.dtype.itemsize
        if len(header) != 8 or struct.unpack("<q", header)[0] != storage.size or length > pieces.end - file.tell():
            raise ValueError(f"damaged checkpoint: storage {described(key)} does not hold {storage.size} numbers")
        if key in chosen:
            storages[key] = np.frombuffer(file.read(length), storage.dtype)
        else:
            file.seek(length, os.SEEK_CUR)
    return state, storages
