"""Read any built dataset from its files, record by record, without its builder's code."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from lena_jax.data import dataset
from lena_jax.data.record_files import open_builder

# The features of a pair start with these; those of a single picture have no such prefix.
_SIDES = ("left", "right")


@dataclasses.dataclass(frozen=True)
class Item:
    """One scored picture of a record: the name of its feature, its id, its score, and its group or ""."""

    feature: str
    id: str
    score: float
    group: str


class BuiltDataset:
    """A built dataset of scored pictures, or of pairs of them (features `left`, `left_id`, `left_score`, ...).

    Args:
        name: such as "planted", "image_scores/photos" or "uiv/pairs".
        data_dir: the folder of all datasets.

    Attributes:
        name: the dataset's name.
        folder: the folder of its files.
        counts: how many records each split has.
        images: names of the features that are pictures, including masks.

    Raises:
        ValueError: there is no such dataset, or it holds no scored pictures.
    """

    def __init__(self, name: str, data_dir: Path):
        self.name = name
        self.folder = Path(dataset.dataset_directory(name, str(data_dir)))
        if not (self.folder / "dataset_info.json").is_file():
            raise ValueError(f"{self.folder}: expected a built dataset, got no dataset_info.json")
        builder = open_builder(self.folder)
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
        """Return one record, with its pictures as the stored bytes."""
        return self._sources[split][index]

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a split, in order.

        Raises:
            ValueError: a record cannot be read.
        """
        for index in range(self.counts[split]):
            try:
                record = self.record(split, index)
                self.items(record)
            # The reader raises these for damaged files. For a truncated file it may return an empty record.
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"{split} record {index} of {self.name} cannot be read: `python -m data_prep check {self.name}` "
                    "lists all that cannot"
                ) from error
            yield record

    def items(self, record: dict[str, Any]) -> list[Item]:
        """Return the scored pictures of a record: one, or the two of a pair."""
        group = text(record.get("group", ""))
        return [
            Item(key, text(record[f"{prefix}id"]), float(record[f"{prefix}score"]), group) for key, prefix in self._keys
        ]

    def decode(self, record: dict[str, Any], feature: str) -> np.ndarray:
        """Return a picture of a record as training sees it, [H, W, C] uint8."""
        return self._features[feature].decode_example_np(record[feature])


def text(value: bytes | str) -> str:
    """Return a stored text as `str`."""
    return value.decode() if isinstance(value, bytes) else str(value)
