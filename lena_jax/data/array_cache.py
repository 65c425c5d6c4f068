"""Compute large arrays once and keep them in memory-mapped files, named by a digest of what they depend on."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time

import numpy as np

from lena_jax.runtime.files import write_whole
from lena_jax.runtime.progress import counted


class MappedArray:
    """A read-only array in a file; pickles as its path.

    Args:
        path: an `.npy` file.
        dtype: type of its numbers, for types that the file's header cannot name (bfloat16); None for the header's.
    """

    def __init__(self, path, dtype=None):
        self._path, self._dtype, self._array = path, dtype, np.load(path, mmap_mode="r")
        if dtype is not None:
            self._array = self._array.view(dtype)
        self.shape, self.dtype = self._array.shape, self._array.dtype

    def __len__(self):
        return len(self._array)

    def __getitem__(self, index):
        return self._array[index]

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype, copy=copy)

    def __reduce__(self):
        return MappedArray, (self._path, self._dtype)


class TooLarge(ValueError):
    """A finite number is too large for the type of the cached array."""


def is_cached(folder, key):
    """Whether the array that `key` describes has a file."""
    return os.path.exists(_path(folder, key))


def _path(folder, key):
    return os.path.join(folder, hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32] + ".npy")


def cached_array(folder, key, shape, dtype, blocks, label):
    """Return the array that `key` describes, from its file if there is one.

    Args:
        folder: folder of the files; created if absent.
        key: JSON values that determine the array.
        shape, dtype: shape and dtype of the array. The progress bar counts its rows.
        blocks: () -> iterator over consecutive blocks of rows; called only if there is no file.
        label: text for the progress bar and for errors.

    Returns:
        A `MappedArray`.

    Raises:
        OSError: the disk has no room.
        ValueError: a value is not finite; `TooLarge` if it is, but not in `dtype`.
    """
    path = _path(folder, key)
    if not os.path.exists(path):
        try:
            os.makedirs(folder, exist_ok=True)
            _forget_abandoned(folder)
            _check_room(folder, shape, np.dtype(dtype))
            write_whole(path, lambda file: _fill(file, shape, np.dtype(dtype), blocks, label), "wb")
        except OSError as error:
            elsewhere = "" if error.errno == errno.ENOSPC else "; --config.data.cache_dir=FOLDER puts it elsewhere"
            raise OSError(f"{label}, in {folder!r}: {error.strerror or error}{elsewhere}") from error
    return MappedArray(path, np.dtype(dtype))


def _forget_abandoned(folder, seconds=86400):
    """Remove unfinished files of killed processes. A file that is a day old belongs to no running process."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # Another process may have removed it.
            if entry.name.endswith(".unfinished") and time.time() - entry.stat().st_mtime > seconds:
                os.remove(entry.path)


def _check_room(folder, shape, dtype):
    needed, free = dtype.itemsize * int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"needs {needed / 1e6:,.1f} MB, but only {free / 1e6:,.1f} MB are free: make room, use another disk or "
            "data.cache_dir, a smaller image_size or fewer augmentation.views",
        )


def _fill(file, shape, dtype, blocks, label):
    # Do not write through a memory map: if the disk fills up, that kills the process.
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": tuple(shape)})
    with counted(what=label, total=shape[0]) as bar:
        for block in blocks():
            with np.errstate(over="ignore"):
                stored = np.ascontiguousarray(block, dtype)
            if not np.issubdtype(dtype, np.integer) and not np.isfinite(stored).all():
                largest = np.finfo(dtype if dtype.kind == "f" else np.float32).max
                raise (TooLarge if np.isfinite(block).all() else ValueError)(
                    f"{label}: got values up to {np.abs(block).max()}, expected at most {largest}, the largest "
                    f"{dtype}. Do the weights belong to the backbone and its preprocessing?"
                )
            file.write(stored)
            bar.update(len(block))
