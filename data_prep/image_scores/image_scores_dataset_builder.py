"""The TFDS builder `image_scores`: a folder of pictures and a table of scores."""

import array
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_prep import build_report, film_strip, picture_folder
from data_prep.image_scores import table
from data_prep.streaming import StreamingBuilder
from lena_jax.data import pictures
from lena_jax.data.pairs import ComparablePairs
from lena_jax.data.video import ENDINGS


@dataclasses.dataclass(eq=False, kw_only=True)
class ImageScoresConfig(tfds.core.BuilderConfig):
    """What to build from; `name` is the dataset's name, in a-z, 0-9 and _.

    Attributes:
        images: folder that the table's paths are relative to.
        csv: the table, see `data_prep.tables.files`.
        score: its column of scores, or several: the first becomes `score`, the others are stored under `scores`. Rows
            without the first are left out.
        image_column: its column of paths of the pictures.
        group: its column of groups; only pictures of one group are compared.
        split: its column of splits (train, validation, test); without it all pictures are in `train`.
        fold_by: its column of units, such as authors; a unit is never on both sides of a split or fold.
        weight: its column of weights in training.
        transform: how to turn the first column into a score, see `table.read`.
        views: its column of views, for the transform "rate".
        prior_views: strength of the prior in views, for the transform "rate".
        frames: the files are videos: store so many frames of each, evenly spaced in time. None: they are pictures.
        missing: texts that mean a missing score, beside the usual words.
        on_bad_image: "error", or "skip" to leave out and list pictures that are missing or do not decode.
        on_duplicate: what to do with a picture that is in two splits: "error", or "skip" to keep it only in the last
            of train, validation and test, and list what was left out.
    """

    images: str = ""
    csv: str = ""
    score: str | tuple[str, ...] = ""
    image_column: str = "image"
    group: str | None = None
    split: str | None = None
    fold_by: str | None = None
    weight: str | None = None
    transform: str = "raw"
    views: str | None = None
    prior_views: float | None = None
    frames: int | None = None
    missing: tuple[str, ...] = ()
    on_bad_image: str = "error"
    on_duplicate: str = "error"

    @property
    def scores(self) -> tuple[str, ...]:
        """The columns of scores."""
        return (self.score,) if isinstance(self.score, str) else tuple(self.score)


class Builder(StreamingBuilder):
    """Pictures with a score each, from a folder and a table; ordered by the hashes of their ids.

    Args:
        config: an `ImageScoresConfig`.
        **kwargs: `data_dir` and the other options of `tfds.core.DatasetBuilder`.

    Raises:
        ValueError: while building, a missing folder or table, an unusable table (see `table.read`), a picture that is
            missing, does not decode or is in two splits (unless skipped), a path that leaves the folder, or a split
            without two comparable pictures.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "1.0.0": "First release.",
        "1.1.0": "unit, content, weight; several scores.",
        "2.0.0": "Colours are brought to sRGB through each picture's profile; scores have 64 bits.",
    }
    builder_config_cls = ImageScoresConfig

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        named = {
            "image": features.Image(shape=(None, None, 3), doc="upright RGB"),
            "id": features.Text(doc="the picture's path as in the table"),
            "score": features.Scalar(np.float64, doc="higher is better"),
            "group": features.Text(doc="only pictures of one group are comparable; or empty"),
            "unit": features.Text(doc="pictures of one unit stay on one side of a split; or empty"),
            "content": features.Text(doc="equal for equal pixels, as the file gave them"),
            "weight": features.Scalar(np.float32, doc="how much the picture counts in training"),
        }
        config = self.builder_config
        if config.frames is not None:
            named["frames"] = features.Scalar(np.int32, doc="of a clip, which `image` has one below the other")
        if others := config.scores[config.transform == "raw" :]:
            named["scores"] = {name: features.Scalar(np.float64, doc="NaN: none") for name in others}
        return self.dataset_info_from_configs(description=__doc__, features=features.FeaturesDict(named))

    @functools.cached_property
    def content(self) -> table.Table:
        """The table, with every check that needs no picture."""
        config = self.builder_config
        for key in ("on_bad_image", "on_duplicate"):
            if getattr(config, key) not in ("error", "skip"):
                raise ValueError(f"{key}: got {getattr(config, key)!r}, expected 'error' or 'skip'")
        if config.frames is not None:
            film_strip.check_frames(config.frames)
        if not Path(config.images).is_dir():
            raise ValueError(f"no such folder of pictures: {config.images}")
        content = table.read(
            Path(config.csv),
            config.scores[0],
            config.image_column,
            config.group,
            config.split,
            others=config.scores[1:],
            **{
                key: getattr(config, key)
                for key in ("fold_by", "weight", "transform", "views", "prior_views", "missing")
            },
        )
        for split, rows in (_splits(content) or {"train": []}).items():
            _count_pairs(split, [row.score for row in rows], [row.group for row in rows])
        return content

    def expected_counts(self) -> dict[str, int]:
        return {split: len(rows) for split, rows in _splits(self.content).items()}

    def fingerprint(self) -> str:
        """Read every picture and return a hash of all that the records depend on: the rows and the files."""
        digest = _Fingerprint(self.content, self.builder_config.frames)
        rows = [row for rows in _splits(self.content).values() for row in rows]
        for row in rows if self.progress is None else self.progress(rows, "comparing", len(rows)):
            try:
                digest.add(row, self._read(row))
            except pictures.BadPicture:
                digest.add(row, None)
        return digest.hexdigest()

    def finish(self, folder: Path) -> None:
        config, content = self.builder_config, self.content
        kept = {split: self._kept[split] for split in table.SPLITS if split in self._kept}
        pairs = {split: _count_pairs(split, scores, groups) for split, (scores, groups) in kept.items()}
        report = {
            "fingerprint": self._fingerprint.hexdigest(),
            # Nothing here is random.
            "seed": None,
            "frames": config.frames,
            "counts": {split: len(scores) for split, (scores, _) in kept.items()},
            "comparable_pairs": pairs,
            "table": content.kind,
            "table_said": list(content.said),
            "rows": content.total,
            "rows_without_score": len(content.without_score),
            "rows_without_group": len(content.without_group),
            "rows_without_views": len(content.without_views),
            "bad_pictures": self._bad,
            "duplicates_left_out": self._duplicates,
            "duplicates_kept": self._repeated,
            "stored_as_they_were": self._unchanged,
            "colour_profiles_ignored": self._ignored,
            "columns": {
                key: getattr(config, key)
                for key in ("image_column", "score", "group", "split", "fold_by", "weight", "views")
            },
            "transform": config.transform,
            "priors": {group: dataclasses.asdict(prior) for group, prior in content.priors.items()},
        }
        build_report.write(folder, report)

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        splits = _splits(self.content)
        self._kept = {split: (array.array("d"), []) for split in splits}
        self._bad, self._duplicates = [], []
        self._unchanged = self._repeated = self._ignored = 0
        self._seen: dict[bytes, table.Row] = {}
        self._fingerprint = _Fingerprint(self.content, self.builder_config.frames)
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def _generate_examples(self, rows: list[table.Row]) -> Iterator[tuple[str, dict[str, Any]]]:
        frames = self.builder_config.frames
        for row in rows:
            data = None
            try:
                data = self._read(row)
                picture = pictures.decode(data) if frames is None else film_strip.decode(data, frames)
            except pictures.BadPicture as error:
                if self.builder_config.on_bad_image == "error":
                    path = Path(self.builder_config.images) / row.id
                    hint = " (videos need --frames)" if frames is None and path.suffix.lower() in ENDINGS else ""
                    raise ValueError(
                        f"picture {path} (row {row.number} of {self.builder_config.csv}): {error}{hint}"
                    ) from error
                self._bad.append({"id": row.id, "row": row.number, "reason": str(error)})
                continue
            finally:
                self._fingerprint.add(row, data)
            if self._is_in_another_split(row, picture.content):
                continue
            self._unchanged += picture.data is data
            self._ignored += picture.profile_ignored
            scores, groups = self._kept[row.split]
            scores.append(row.score)
            groups.append(row.group)
            example = {"image": picture.data, "id": row.id, "score": row.score, "group": row.group}
            example |= {"unit": row.unit, "content": picture.content, "weight": row.weight}
            if frames is not None:
                example["frames"] = frames
            if row.others:
                example["scores"] = dict(zip(self.content.others, row.others, strict=True))
            yield row.id, example

    def _is_in_another_split(self, row: table.Row, content: str) -> bool:
        """Return whether to leave the picture out because a split written before has an equal one."""
        first = self._seen.setdefault(bytes.fromhex(content), row)
        if first.split == row.split:
            self._repeated += first is not row
            return False
        if self.builder_config.on_duplicate == "error":
            raise ValueError(
                f"picture {row.id!r} (row {row.number}) in {row.split} is equal to {first.id!r} (row {first.number}) "
                f"in {first.split}: expected equal pictures in one split; --on-duplicate=skip keeps the latter only"
            )
        self._duplicates.append({"id": row.id, "row": row.number, "equal_to": first.id})
        return True

    def _read(self, row: table.Row) -> bytes:
        return picture_folder.read(Path(self.builder_config.images), row.id)


class _Fingerprint:
    """A hash of rows and the content of their pictures, computed while the pictures are read anyway."""

    def __init__(self, content: table.Table, frames: int | None):
        self._hash = hashlib.sha256(f"image_scores {Builder.VERSION} {json.dumps(content.others)}".encode())
        if frames is not None:
            self._hash.update(f"frames {frames}".encode())

    def add(self, row: table.Row, data: bytes | None) -> None:
        content = None if data is None else hashlib.sha256(data).hexdigest()
        values = [row.id, row.score, row.group, row.split, row.unit, row.weight, row.others, content]
        self._hash.update(json.dumps(values).encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _splits(content: table.Table) -> dict[str, list[table.Row]]:
    """Return the rows of each split that has any, in an order that depends on the ids alone.

    The test split comes first, so that of equal pictures in two splits the one in the test split stays.
    """
    splits = {name: [row for row in content.rows if row.split == name] for name in reversed(table.SPLITS)}
    return {
        name: sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
        for name, rows in splits.items()
        if rows
    }


def _count_pairs(split: str, scores: Sequence[float], groups: Sequence[str]) -> int:
    """Return how many pairs of a split can be compared.

    Raises:
        ValueError: none can.
    """
    pairs = len(ComparablePairs(np.array(scores, np.float64), np.array(groups, str)))
    if not pairs:
        raise ValueError(
            f"split {split!r}: got fewer than two comparable pictures, "
            "expected at least two of one group with different scores"
        )
    return pairs
