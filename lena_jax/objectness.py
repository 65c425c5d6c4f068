"""Objectness maps of a built data set: reading them, pooling them to a trunk's grid, cutting views of them.

`python -m data_prep objectness NAME` makes them: for each picture how likely each part of it belongs to an object that
stands out. A map shows the whole picture as a square, as `input_pipeline.resize` does, whatever its shape.
"""

import hashlib
import json
import os
import shlex

import jax.numpy as jnp
import numpy as np

from lena_jax import scored_pictures
from lena_jax.array_cache import MappedArray
from lena_jax.input_pipeline import resize

# Side of a stored map.
SIDE = 64
# In a data set's version folder: `SPLIT.npy` [n, SIDE, SIDE] uint8 for each split, 255 for certainty, and what they
# were made from.
FOLDER = "objectness"
DESCRIPTION = "objectness.json"


class ObjectnessMaps:
    """The maps of pictures, [n, SIDE, SIDE] uint8, read from their files as they are asked for.

    `maps[i]` is one map, `maps[indices]` and `maps[start:stop]` are several. Travels to another process as paths.

    Args:
        arrays: arrays [m, SIDE, SIDE] uint8 that are joined end to end.
        rows: [n] indices into the joined array.
        digest: of all that the maps depend on: the pictures, the network and how it was used.
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
    """The objectness maps of a split, checked to belong to its pictures.

    Args:
        name, data_dir, split: as of `scored_pictures.load`; "all" is every picture of every split.

    Returns:
        `ObjectnessMaps` in the order of `scored_pictures.load(name, data_dir, split).source`: `maps[pictures.rows[i]]`
        belongs to picture i of whatever subset `pictures` is.

    Raises:
        ValueError: if there is no such data set or split, or it has no maps, or they were made of other pictures or are
            damaged; says which command makes them.
    """
    folder = os.path.join(scored_pictures.dataset_directory(name, data_dir), FOLDER)
    arrays, ids, paired = [], [], False
    for part in parts(name, data_dir, split):
        pictures = scored_pictures.load(name, data_dir, part)
        try:
            arrays.append(stored(folder, part, pictures))
        except ValueError as error:
            raise ValueError(f"data set {name!r}: {error}. Make them with: python -m data_prep objectness {name} "
                             f"--data_dir={shlex.quote(str(data_dir))}") from error
        ids.append(pictures.ids)
        paired = pictures.pairs is not None
    ids = np.concatenate(ids)
    # A picture that is in pairs of two splits is one picture of the two splits together, where it comes first.
    rows = np.sort(np.unique(ids, return_index=True)[1]) if paired else np.arange(len(ids))
    made = read_description(folder)
    made["splits"] = [made["splits"][part] for part in parts(name, data_dir, split)]
    return ObjectnessMaps(arrays, rows, hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest())


def parts(name, data_dir, split):
    """The single splits of a data set that a split names, in the order in which their pictures are joined."""
    names = scored_pictures.split_names(name, data_dir)
    return names if split == "all" and "all" not in names else split.split("+")


def read_description(folder):
    """What the maps in a folder were made from, `{"splits": {split: {"pictures": digest, ...}}, ...}`; {} for none."""
    try:
        with open(os.path.join(folder, DESCRIPTION), encoding="utf-8") as file:
            description = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return description if isinstance(description, dict) else {}


def entry(pictures):
    """What the description says of a split: the digest and number of the pictures of a `ScoredPictures`' source."""
    return {"pictures": pictures.digest, "count": len(pictures.source)}


def stored(folder, split, pictures):
    """The finished maps of a single split.

    Args:
        folder: of the maps.
        split: name of the split.
        pictures: `ScoredPictures` of that split.

    Returns:
        A `MappedArray` [n, SIDE, SIDE] uint8.

    Raises:
        ValueError: if there are none, or they are of other pictures, or damaged.
    """
    made, path = read_description(folder).get("splits", {}).get(split), os.path.join(folder, f"{split}.npy")
    if made is None or not os.path.exists(path):
        raise ValueError(f"got no objectness maps of split {split!r}, expected them at {path!r}")
    if made != entry(pictures):
        raise ValueError(f"the objectness maps of split {split!r} are of other pictures: got {made}, expected "
                         f"{entry(pictures)}")
    try:
        array = MappedArray(path)
    except (ValueError, EOFError) as error:
        raise ValueError(f"the objectness maps in {path!r} are damaged: {error}") from error
    expected = (len(pictures.source), SIDE, SIDE)
    if array.shape != expected or array.dtype != np.uint8:
        raise ValueError(f"the objectness maps in {path!r} are damaged: got {array.shape} {array.dtype}, expected "
                         f"{expected} uint8")
    return array


def to_grid(maps, h, w):
    """Averages maps over the cells of a grid: each cell over exactly its share of the map, parts of pixels included.

    Args:
        maps: [B, H, W]; uint8, of which 255 becomes 1, or floating point, taken as it is.
        h, w: of the grid, Python integers; they need not divide H and W.

    Returns:
        [B, h, w] float32; of uint8 in [0, 1].

    Raises:
        ValueError: for another shape or type, or a grid without a cell.
    """
    if maps.ndim != 3 or not (maps.dtype == np.uint8 or jnp.issubdtype(maps.dtype, jnp.floating)):
        raise ValueError(f"got maps {maps.shape} {maps.dtype}, expected [B, H, W] uint8 or floating point")
    if min(h, w) < 1:
        raise ValueError(f"got a grid of {h} x {w} cells, expected at least 1 x 1")
    levels = jnp.asarray(maps, jnp.float32)
    rows, columns = _shares(maps.shape[1], h), _shares(maps.shape[2], w)
    pooled = jnp.einsum("byx,hy,wx->bhw", levels, rows, columns, precision="highest")
    # Rounding may end a little above 255.
    return jnp.clip(pooled / 255, 0, 1) if maps.dtype == np.uint8 else pooled


def _shares(pixels, cells):
    """[cells, pixels] float32: how much of each cell each pixel is, along one side."""
    # In units of 1 / (pixels * cells) of the side both have whole-numbered ends.
    cell, pixel = np.arange(cells)[:, None] * pixels, np.arange(pixels) * cells
    overlap = np.minimum(cell + pixels, pixel + cells) - np.maximum(cell, pixel)
    return (np.maximum(overlap, 0) / pixels).astype(np.float32)


def view(objectness, size, box=None, flip=False):
    """What a view of a picture shows of its map: the same crop, then the same flip.

    `Augmentation.view(objectness, size, rng)` does it too, with a generator in the state in which the picture's view
    was drawn: its draws do not depend on the picture's size.

    Args:
        objectness: [H, W] uint8, of the whole picture.
        size: side of the result.
        box: (left, top, right, bottom) as shares of the picture's width and height, in [0, 1]; None for all of it.
        flip: whether the view is mirrored.

    Returns:
        [size, size] uint8.

    Raises:
        ValueError: if the box is empty or not in the picture.
    """
    if box is not None:
        left, top, right, bottom = box
        if not (0 <= left < right <= 1 + 1e-9 and 0 <= top < bottom <= 1 + 1e-9):
            raise ValueError(f"got the box {tuple(box)}, expected left < right and top < bottom, all in [0, 1]")
        height, width = objectness.shape
        box = (left * width, top * height, min(right, 1) * width, min(bottom, 1) * height)
    seen = resize(objectness, size, box)
    return seen[:, ::-1] if flip else seen
