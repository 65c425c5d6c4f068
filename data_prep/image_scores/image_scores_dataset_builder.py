"""The TFDS builder `image_scores`: anyone's folder of pictures and a CSV of scores."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_prep import picture_folder, pictures
from data_prep.image_scores import table
from data_prep.streaming import StreamingBuilder


@dataclasses.dataclass(eq=False, kw_only=True)
class ImageScoresConfig(tfds.core.BuilderConfig):
    """What to build from; `name` is the data set's name, of a-z, 0-9 and _.

    Attributes:
      images: folder that the CSV's paths are relative to.
      csv: the table, with a header row.
      score: its column of scores; rows with an empty cell are left out.
      image_column: its column of picture paths.
      group: its column of groups; only pictures of one group are compared.
      split: its column of splits (train, validation, test); without it all pictures are in `train`.
      on_bad_image: "error", or "skip" to leave out and list pictures that are missing or do not decode.
    """

    images: str = ""
    csv: str = ""
    score: str = ""
    image_column: str = "image"
    group: str | None = None
    split: str | None = None
    on_bad_image: str = "error"


class Builder(StreamingBuilder):
    """Pictures with a score each, from a folder and a CSV; ordered by the hashes of their ids.

    Args:
      config: an `ImageScoresConfig`.
      data_dir, version, ...: as for every `tfds.core.DatasetBuilder`.

    Building raises:
      ValueError: missing folder or CSV, an unusable table (see `table.read`), a picture that is missing or
        does not decode (unless skipped), a path that leaves the folder, a split without two comparable
        pictures.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    builder_config_cls = ImageScoresConfig

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        return self.dataset_info_from_configs(
            description=__doc__,
            features=features.FeaturesDict(
                {
                    "image": features.Image(shape=(None, None, 3), doc="upright RGB"),
                    "id": features.Text(doc="the picture's path as in the CSV"),
                    "score": features.Scalar(np.float32, doc="higher is better"),
                    "group": features.Text(doc="only pictures of one group are comparable; or empty"),
                }
            ),
        )

    @functools.cached_property
    def content(self) -> table.Table:
        """The CSV, read and checked with all that can be known before a picture is opened."""
        config = self.builder_config
        if config.on_bad_image not in ("error", "skip"):
            raise ValueError(f"on_bad_image: got {config.on_bad_image!r}, expected 'error' or 'skip'")
        if not Path(config.images).is_dir():
            raise ValueError(f"no such folder of pictures: {config.images}")
        content = table.read(Path(config.csv), config.score, config.image_column, config.group, config.split)
        comparable = table.Comparable()
        for row in content.rows:
            comparable.add(row)
        comparable.check(_splits(content) or ["train"])
        return content

    def expected_counts(self) -> dict[str, int]:
        return {split: len(rows) for split, rows in _splits(self.content).items()}

    def fingerprint(self) -> str:
        """Reads every picture and returns a hash of what the records depend on: the rows and the files."""
        digest = _Fingerprint()
        rows = [row for rows in _splits(self.content).values() for row in rows]
        for row in rows if self.progress is None else self.progress(rows, "comparing", len(rows)):
            try:
                digest.add(row, self._read(row))
            except pictures.BadPicture:
                digest.add(row, None)
        return digest.hexdigest()

    def finish(self, folder: Path) -> None:
        self._comparable.check(self._counts)
        report = {
            "fingerprint": self._fingerprint.hexdigest(),
            # Nothing here is random.
            "seed": None,
            "counts": self._counts,
            "rows": self.content.total,
            "rows_without_score": len(self.content.without_score),
            "rows_without_group": len(self.content.without_group),
            "bad_pictures": self._bad,
            "stored_as_they_were": self._unchanged,
            "columns": {
                key: getattr(self.builder_config, key) for key in ("image_column", "score", "group", "split")
            },
        }
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (folder / "build_report.json").write_text(text + "\n", encoding="utf-8")

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        splits = _splits(self.content)
        self._counts = dict.fromkeys(splits, 0)
        self._bad = []
        self._unchanged = 0
        self._comparable = table.Comparable()
        self._fingerprint = _Fingerprint()
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def _generate_examples(self, rows: list[table.Row]) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in rows:
            data = None
            try:
                data = self._read(row)
                image = pictures.to_rgb(data)
            except pictures.BadPicture as error:
                if self.builder_config.on_bad_image == "error":
                    path = Path(self.builder_config.images) / row.id
                    raise ValueError(
                        f"picture {path} (row {row.number} of {self.builder_config.csv}): {error}"
                    ) from error
                self._bad.append({"id": row.id, "row": row.number, "reason": str(error)})
                continue
            finally:
                self._fingerprint.add(row, data)
            self._unchanged += image is data
            self._counts[row.split] += 1
            self._comparable.add(row)
            yield row.id, {"image": image, "id": row.id, "score": row.score, "group": row.group}

    def _read(self, row: table.Row) -> bytes:
        return picture_folder.read(Path(self.builder_config.images), row.id)


class _Fingerprint:
    """Hash of rows and the content of their pictures, taken in while they are read anyway."""

    def __init__(self):
        self._hash = hashlib.sha256(f"image_scores {Builder.VERSION}".encode())

    def add(self, row: table.Row, data: bytes | None) -> None:
        content = None if data is None else hashlib.sha256(data).hexdigest()
        self._hash.update(json.dumps([row.id, row.score, row.group, row.split, content]).encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _splits(content: table.Table) -> dict[str, list[table.Row]]:
    """The rows of each split that has any, in an order that depends on the ids and on nothing else."""
    splits = {name: [row for row in content.rows if row.split == name] for name in table.SPLITS}
    return {
        name: sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
        for name, rows in splits.items()
        if rows
    }
