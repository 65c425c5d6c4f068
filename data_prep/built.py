"""Reading any built data set from its files, record by record, without its builder's code."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from lena_jax.data import dataset

# Of the records of pairs; a single picture has the names without one.
_SIDES = ("left", "right")


@dataclasses.dataclass(frozen=True)
class Item:
    """One scored picture of a record: the name of its feature, its id, score and group (empty for none)."""

    feature: str
    id: str
    score: float
    group: str


class BuiltDataSet:
    """A built data set of scored pictures, or of pairs of them (features `left`, `left_id`, `left_score`, ...).

    Args:
        name: such as "planted", "image_scores/photos" or "uiv/pairs".
        data_dir: where data sets lie.

    Attributes:
        name, folder: what it is called and where its files are.
        counts: how many records each split has.
        images: names of the features that are pictures, masks among them.

    Raises:
        ValueError: there is no such data set, or it holds no scored pictures.
    """

    def __init__(self, name: str, data_dir: Path):
        self.name = name
        self.folder = Path(dataset.dataset_directory(name, str(data_dir)))
        if not (self.folder / "dataset_info.json").is_file():
            raise ValueError(f"{self.folder}: expected a built data set, got no dataset_info.json")
        builder = tfds.builder_from_directory(self.folder)
        self._features = builder.info.features
        self.counts = {split: info.num_examples for split, info in sorted(builder.info.splits.items())}
        self.images = [key for key, one in self._features.items() if isinstance(one, tfds.features.Image)]
        self._keys = [
            (key, prefix)
            for key, prefix in (("image", ""), *((side, f"{side}_") for side in _SIDES))
            if key in self.images and {f"{prefix}id", f"{prefix}score"} <= set(self._features)
        ]
        if not self._keys:
            raise ValueError(
                f"{name}: got the features {', '.join(self._features)}, expected scored pictures (image, id, score) "
                "or pairs of them (left, left_id, left_score, right, ...)"
            )
        undecoded = {key: tfds.decode.SkipDecoding() for key in self.images}
        self._sources = {split: builder.as_data_source(split, decoders=undecoded) for split in self.counts}

    def record(self, split: str, index: int) -> dict[str, Any]:
        """Returns one record, its pictures as the bytes that are stored."""
        return self._sources[split][index]

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """Yields the records of a split, one after another.

        Raises:
            ValueError: a record cannot be read.
        """
        for index in range(self.counts[split]):
            try:
                record = self.record(split, index)
                self.items(record)
            # What the reader raises for damaged files; of a truncated one it may return an empty record.
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"{split} record {index} of {self.name} cannot be read: `python -m data_prep check {self.name}` "
                    "lists all that cannot"
                ) from error
            yield record

    def items(self, record: dict[str, Any]) -> list[Item]:
        """Returns the scored pictures of a record: one, or the two of a pair."""
        group = text(record.get("group", ""))
        return [
            Item(key, text(record[f"{prefix}id"]), float(record[f"{prefix}score"]), group) for key, prefix in self._keys
        ]

    def decode(self, record: dict[str, Any], feature: str) -> np.ndarray:
        """Returns a picture of a record as training sees it, [H, W, C] uint8."""
        return self._features[feature].decode_example_np(record[feature])


def text(value: bytes | str) -> str:
    """Returns a stored text as `str`."""
    return value.decode() if isinstance(value, bytes) else str(value)
