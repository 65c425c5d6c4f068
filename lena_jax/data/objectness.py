"""Read the objectness maps of a built dataset.

`python -m data_prep objectness NAME` makes them. A map says for each place in a picture how likely it belongs to an
object that stands out. It shows the whole picture, resized to a square as `transforms.resize` does.
"""

import hashlib
import json
import os
import shlex

import numpy as np

from lena_jax.data import dataset
from lena_jax.data.array_cache import MappedArray
from lena_jax.data.u2net import MAP_SIDE as SIDE
from lena_jax.runtime.untrusted import read_object

# Folder in a dataset's version folder. It has `SPLIT.npy` [n, SIDE, SIDE] uint8 for each split (255 is certainty), and
# a description of what the maps were made from.
FOLDER = "objectness"
DESCRIPTION = "objectness.json"


class ObjectnessMaps:
    """The maps of pictures, [n, SIDE, SIDE] uint8. Each is read from its file when it is asked for.

    `maps[i]` is one map; `maps[indices]` and `maps[start:stop]` are several. Pickles as the paths of its files.

    Args:
        arrays: arrays [m, SIDE, SIDE] uint8 that are joined end to end.
        rows: [n] indices into the joined array.
        digest: digest of all that the maps depend on: the pictures, the network and how it was used.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, arrays, rows, digest):
        self._arrays, self._rows, self.digest = arrays, rows, digest
        self._starts = np.cumsum([0, *map(len, arrays)])
        self.shape = (len(rows), SIDE, SIDE)

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        rows = self._rows[index]
        flat = np.ravel(rows)
        numbers = np.searchsorted(self._starts, flat, side="right") - 1
        maps = np.empty((len(flat), SIDE, SIDE), np.uint8)
        for number in np.unique(numbers):
            here = numbers == number
            maps[here] = self._arrays[number][flat[here] - self._starts[number]]
        return maps.reshape(*np.shape(rows), SIDE, SIDE)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("got copy=False for maps that are in files, expected None or True")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


def load(name, data_dir, split):
    """Open the objectness maps of a split, and check that they belong to its pictures.

    Args:
        name, data_dir, split: arguments of `dataset.load`; "all" is every picture of every split.

    Returns:
        `ObjectnessMaps` in the order of `dataset.load(name, data_dir, split).source`: `maps[pictures.rows[i]]` is the
        map of picture i of any subset `pictures`.

    Raises:
        ValueError: there is no such dataset or split, or its maps are missing, damaged or of other pictures. The
            message has the command that makes them.
    """
    folder = os.path.join(dataset.dataset_directory(name, data_dir), FOLDER)
    arrays, ids, paired = [], [], False
    for part in parts(name, data_dir, split):
        pictures = dataset.load(name, data_dir, part)
        try:
            arrays.append(stored(folder, part, pictures))
        except ValueError as error:
            raise ValueError(
                f"dataset {name!r}: {error}. Make them with: python -m data_prep objectness {name} "
                f"--data_dir={shlex.quote(str(data_dir))}"
            ) from error
        ids.append(pictures.ids)
        paired = pictures.pairs is not None
    ids = np.concatenate(ids)
    # A picture that has pairs in two splits is one picture when they are joined, at its first place.
    rows = np.sort(np.unique(ids, return_index=True)[1]) if paired else np.arange(len(ids))
    made = read_description(folder)
    made["splits"] = [made["splits"][part] for part in parts(name, data_dir, split)]
    return ObjectnessMaps(arrays, rows, hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest())


def parts(name, data_dir, split):
    """Return the single splits that a split of a dataset names, in the order in which their pictures are joined."""
    names = dataset.split_names(name, data_dir)
    return names if split == "all" and "all" not in names else split.split("+")


def read_description(folder):
    """Read what maps were made from: `{"splits": {split: {"pictures": digest, ...}}, ...}`; {} if there are none."""
    try:
        return read_object(os.path.join(folder, DESCRIPTION))
    except (FileNotFoundError, ValueError):
        return {}


def entry(pictures):
    """Describe the pictures of a split: digest and number of the pictures in a `ScoredPictures`' source."""
    return {"pictures": pictures.digest, "count": len(pictures.source)}


def stored(folder, split, pictures):
    """Open the finished maps of a single split.

    Args:
        folder: folder of the maps.
        split: name of the split.
        pictures: `ScoredPictures` of that split.

    Returns:
        A `MappedArray` [n, SIDE, SIDE] uint8.

    Raises:
        ValueError: there are none, or they are damaged or of other pictures.
    """
    made, path = read_description(folder).get("splits", {}).get(split), os.path.join(folder, f"{split}.npy")
    if made is None or not os.path.exists(path):
        raise ValueError(f"no objectness maps of split {split!r}, expected them at {path!r}")
    if made != entry(pictures):
        raise ValueError(
            f"the objectness maps of split {split!r} are of other pictures: got {made}, expected {entry(pictures)}"
        )
    try:
        array = MappedArray(path)
    except (ValueError, EOFError) as error:
        raise ValueError(f"the objectness maps in {path!r} are damaged: {error}") from error
    expected = (len(pictures.source), SIDE, SIDE)
    if array.shape != expected or array.dtype != np.uint8:
        raise ValueError(
            f"the objectness maps in {path!r} are damaged: got {array.shape} {array.dtype}, expected {expected} uint8"
        )
    return array
