"""Make the objectness maps of a built dataset; interrupted work goes on where it stopped."""

import concurrent.futures
import contextlib
import dataclasses
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from lena_jax.data import dataset, objectness, u2net
from lena_jax.data.dataset import ScoredPictures
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.locks import try_lock

RECIPE = {**u2net.RECIPE, "side": objectness.SIDE}
# How many pictures are decoded ahead at most, and how many maps a power cut can lose.
_BLOCK = 32
_MAP_BYTES = objectness.SIDE**2


@dataclasses.dataclass(frozen=True)
class Made:
    """The maps of a split: how many, and whether this call made any of them."""

    split: str
    count: int
    fresh: bool


def make_maps(
    name: str,
    data_dir: Path,
    split: str,
    network: u2net.Network,
    threads: int,
    progress: Callable[..., contextlib.AbstractContextManager],
) -> list[Made]:
    """Make the maps that are missing or were made from other pictures.

    A split's maps are written one after another into an unfinished file, which a later call continues.
    `lena_jax.data.objectness.load` finds them once all are there. Before the first map is made, the description says
    which pictures the maps are of, and maps of other pictures are removed.

    Args:
        name: the dataset's name.
        data_dir: the folder of all datasets.
        split: such as "train" or "train+test".
        network: picture [H, W, 3] uint8 -> [N * SIDE, N * SIDE] in [0, 1], such as `u2net.open_network()`.
        threads: pictures at a time; the maps do not depend on it.
        progress: `progress(split, total, done)` is a context whose `update(count)` is called as maps are written.

    Raises:
        ValueError: no such dataset or split, a record that cannot be read, or another process is making maps of it.
    """
    if threads < 1:
        raise ValueError(f"threads: got {threads}, expected at least 1")
    parts = objectness.parts(name, str(data_dir), split)
    opened = {part: _open(name, data_dir, part) for part in dict.fromkeys(parts)}
    folder = Path(dataset.dataset_directory(name, str(data_dir))) / objectness.FOLDER
    made = []
    with _alone(folder):
        for part, pictures in opened.items():
            _describe(folder, part, pictures)
            try:
                objectness.stored(folder, part, pictures)
            except ValueError:
                _fill(folder / f"{part}.npy", pictures.source, network, threads, progress)
                made.append(Made(part, len(pictures.source), fresh=True))
            else:
                made.append(Made(part, len(pictures.source), fresh=False))
    return made


def _open(name: str, data_dir: Path, split: str) -> ScoredPictures:
    try:
        return dataset.load(name, str(data_dir), split)
    # The reader raises these for damaged files.
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{name} cannot be read: `python -m data_prep check {name}` lists what is wrong") from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Create the folder and hold a lock on it; the system drops the lock of a killed process."""
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        if not try_lock(lock):
            raise ValueError(f"another process is making the maps in {folder}: wait for it, or stop it")
        yield


def _describe(folder: Path, split: str, pictures: ScoredPictures) -> None:
    """Write which pictures the split's maps are of, and remove maps of other pictures."""
    description = objectness.read_description(folder)
    splits = description.pop("splits", {})
    if description != RECIPE:
        splits = {}
    # Partial files are maps; an unfinished one is a description that was being written when its process was killed.
    for path in (*folder.glob("*.npy"), *folder.glob("*.partial"), *folder.glob("*.unfinished")):
        its_split = path.name.removesuffix(".partial").removesuffix(".npy")
        if its_split not in splits or (its_split == split and splits[split] != objectness.entry(pictures)):
            path.unlink()
    splits[split] = objectness.entry(pictures)
    text = json.dumps({**RECIPE, "splits": dict(sorted(splits.items()))}, indent=2) + "\n"
    write_whole(folder / objectness.DESCRIPTION, lambda file: file.write(text))


def _fill(path: Path, source, network: u2net.Network, threads: int, progress: Callable) -> None:
    """Make the maps of all pictures of a source, except those that an unfinished file already has."""

    def one(row):
        return u2net.to_map(network(source[row]["image"]))

    path.unlink(missing_ok=True)
    with _unfinished(path, len(source)) as (file, done), contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress(path.stem, len(source), done))
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(threads))
        for start in range(done, len(source), _BLOCK):
            # Write each as it comes, in order: a kill loses only the maps that are being made.
            for made in pool.map(one, range(start, min(start + _BLOCK, len(source)))):
                file.write(made.tobytes())
                file.flush()
                bar.update(1)
            os.fsync(file.fileno())


@contextlib.contextmanager
def _unfinished(path: Path, count: int) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """Open `path.partial` after its last whole map, yield it and its number of maps, and move it when all are done.

    The file is written, not memory-mapped: on a full disk, writing into a mapped file would kill the process.
    """
    header = io.BytesIO()
    shape = (count, objectness.SIDE, objectness.SIDE)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("r+b" if partial.exists() else "w+b") as file:
        if file.read(len(header.getvalue())) != header.getvalue():
            file.seek(0)
            file.truncate()
            file.write(header.getvalue())
        begin = len(header.getvalue())
        done = min((file.seek(0, os.SEEK_END) - begin) // _MAP_BYTES, count)
        file.truncate(begin + done * _MAP_BYTES)
        file.seek(0, os.SEEK_END)
        yield file, done
    os.replace(partial, path)
