"""Reading a built data set of scored pictures, from its files alone: neither builder code nor TensorFlow is needed."""

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class ScoredPictures:
    """Some pictures of a data set, with what is known of each; pictures are decoded when asked for.

    Attributes:
        ids: [n] str, unique.
        scores: [n] float64.
        groups: [n] str, only pictures of one group are compared; or None where the data set has no groups.
        source: random access to the records of the split that was loaded.
        rows: [n] indices into `source`.
        digest: hash of all encoded pictures of `source`, in order.
    """

    ids: np.ndarray
    scores: np.ndarray
    groups: np.ndarray | None
    source: object
    rows: np.ndarray
    digest: str

    def __len__(self):
        return len(self.rows)

    def record(self, index) -> Mapping:
        """The whole record of one picture, decoded: `image` [H, W, 3] uint8, `id`, `score`, ... ."""
        return self.source[int(self.rows[index])]

    def picture(self, index) -> np.ndarray:
        """The picture, [H, W, 3] uint8."""
        return self.record(index)["image"]

    def subset(self, indices) -> "ScoredPictures":
        """The pictures of the given indices, in the given order."""
        indices = np.asarray(indices, np.int64)
        return ScoredPictures(self.ids[indices], self.scores[indices],
                              None if self.groups is None else self.groups[indices], self.source,
                              self.rows[indices], self.digest)


def dataset_directory(name, data_dir):
    """Folder of the newest version of a built data set.

    Raises:
        ValueError: if there is none; says what is there and how to build one.
    """
    root = os.path.join(os.path.expanduser(data_dir), name)
    versions = [v for v in (os.listdir(root) if os.path.isdir(root) else []) if re.fullmatch(r"\d+\.\d+\.\d+", v)]
    if not versions:
        raise ValueError(f"no data set {name!r} in {data_dir!r}: expected {os.path.join(root, '<version>')}. "
                         f"Build it with: python -m data_prep build {name.split('/')[0]} --data_dir={data_dir}")
    return os.path.join(root, max(versions, key=lambda v: tuple(map(int, v.split(".")))))


def split_names(name, data_dir):
    """Names of the splits of a built data set, sorted."""
    return sorted(tfds.builder_from_directory(dataset_directory(name, data_dir)).info.splits)


def load(name, data_dir, split) -> ScoredPictures:
    """Opens a split of a built data set.

    Args:
        name: such as "planted" or "image_scores/holiday".
        data_dir: folder that data sets are built into.
        split: such as "train", or "all" for every picture of every split.

    Raises:
        ValueError: if there is no such data set or split.
    """
    builder = tfds.builder_from_directory(dataset_directory(name, data_dir))
    if split == "all" and "all" not in builder.info.splits:
        split = "+".join(sorted(builder.info.splits))
    missing = [s for s in split.split("+") if s not in builder.info.splits]
    if missing:
        raise ValueError(f"data set {name!r} has no split {missing[0]!r}, it has {sorted(builder.info.splits)} "
                         "(for cross-validation set config.data.folds)")
    # The encoded picture is enough for the digest, and a hundred times faster than decoding it here.
    encoded = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding(), **{
        key: tfds.decode.SkipDecoding() for key in ("mask",) if key in builder.info.features}})
    ids, scores, groups, digest = [], [], [], hashlib.sha256()
    for record in encoded:
        ids.append(_text(record["id"]))
        scores.append(float(record["score"]))
        groups.append(_text(record["group"]) if "group" in record else "")
        digest.update(hashlib.sha256(record["image"]).digest())
    return ScoredPictures(np.array(ids), np.array(scores), np.array(groups) if any(groups) else None,
                          builder.as_data_source(split), np.arange(len(ids)), digest.hexdigest())


def folds(pictures, count, seed=0):
    """Splits pictures into `count` random parts of (almost) equal size.

    Returns:
        A list of [m] index arrays that together hold every picture once.

    Raises:
        ValueError: unless 2 <= count <= number of pictures.
    """
    if not 2 <= count <= len(pictures):
        raise ValueError(f"folds must be between 2 and the number of pictures ({len(pictures)}), got {count}")
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(len(pictures)), count)]


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
