"""The TFDS builder `image_scores`: a folder of pictures and a table of scores."""

import array
import copy
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from data_prep import build_report, film_strip, near_duplicates, picture_folder
from data_prep.image_scores import table
from data_prep.image_scores.fingerprint import Fingerprint
from data_prep.picture_names import PictureNames
from data_prep.streaming import StreamingBuilder
from lena_jax.data import pictures
from lena_jax.data.dataset import NEAR_DUPLICATES
from lena_jax.data.pairs import ComparablePairs
from lena_jax.data.video import ENDINGS
from lena_jax.runtime.ahead import ahead


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
        follow_links: whether links in the folder may lead out of it.
        on_bad_image: "error", or "skip" to leave out and list pictures that are missing or do not decode.
        on_duplicate: what to do with a picture that is in two splits: "error", or "skip" to keep it only in the last
            of train, validation and test, and list what was left out.
        on_near_duplicate: "group" to treat nearly equal pictures (`data_prep.near_duplicates`) like equal ones: they
            stay on one side of every split and fold, and are listed. "keep" to treat them as different.
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
    follow_links: bool = False
    on_bad_image: str = "error"
    on_duplicate: str = "error"
    on_near_duplicate: str = "group"

    def __post_init__(self):
        self.images, self.csv = os.path.expanduser(self.images), os.path.expanduser(self.csv)

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
        if config.on_near_duplicate not in ("group", "keep"):
            raise ValueError(f"on_near_duplicate: got {config.on_near_duplicate!r}, expected 'group' or 'keep'")
        if config.frames is not None:
            film_strip.check_frames(config.frames)
        if not Path(config.images).is_dir():
            raise ValueError(f"no such folder of pictures: {config.images}")
        self._names = PictureNames(Path(config.images))
        content = table.read(
            Path(config.csv),
            config.scores[0],
            config.image_column,
            config.group,
            config.split,
            others=config.scores[1:],
            find=self._names.find,
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
        digest = Fingerprint(str(self.VERSION), self.content, self.builder_config)
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
        bad = [f"; {len(self._bad):,} cannot be used, such as {one['id']!r}: {one['reason']}" for one in self._bad[:1]]
        pairs = {split: _count_pairs(split, scores, groups, "".join(bad)) for split, (scores, groups) in kept.items()}
        near = [(first.id, second.id) for first, second in self._near.pairs()]
        if near:
            text = json.dumps(near_duplicates.sets_of(near), ensure_ascii=False)
            (folder / NEAR_DUPLICATES).write_text(text, encoding="utf-8")
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
            "near_duplicates": near,
            "near_duplicates_not_looked_for": self._near.full,
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
        self._near, self._earlier = near_duplicates.NearDuplicates(), near_duplicates.NearDuplicates()
        self._fingerprint = Fingerprint(str(self.VERSION), self.content, self.builder_config)
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def _generate_examples(self, rows: list[table.Row]) -> Iterator[tuple[str, dict[str, Any]]]:
        frames = self.builder_config.frames
        small = near_duplicates.SIDE * (self.builder_config.on_near_duplicate == "group")
        self._earlier = copy.deepcopy(self._near)
        for row, (data, picture) in ahead(functools.partial(self._decoded, small), rows):
            self._fingerprint.add(row, data)
            if isinstance(picture, pictures.BadPicture):
                if self.builder_config.on_bad_image == "error":
                    path = Path(self.builder_config.images) / row.id
                    hint = " (videos need --frames)" if frames is None and path.suffix.lower() in ENDINGS else ""
                    raise ValueError(
                        f"picture {path} (row {row.number} of {self.builder_config.csv}): {picture}{hint}"
                    ) from picture
                why = self._names.explained(row.id, str(picture))
                self._bad.append({"id": row.id, "row": row.number, "reason": why})
                continue
            if self._is_in_another_split(row, picture.content):
                continue
            if picture.small is not None:
                if self._is_nearly_in_another_split(row, picture.small):
                    continue
                # Of equal pictures, one is enough.
                if self._seen[bytes.fromhex(picture.content)] is row:
                    self._near.add(row, picture.small)
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

    def _is_nearly_in_another_split(self, row: table.Row, small: Image.Image) -> bool:
        """Return whether to leave the picture out because a split written before has one that is nearly equal."""
        found = self._earlier.like(small)
        if not found:
            return False
        first = found[0]
        if self.builder_config.on_duplicate == "error":
            raise ValueError(
                f"picture {row.id!r} (row {row.number}) in {row.split} is nearly equal to {first.id!r} (row "
                f"{first.number}) in {first.split}: expected such pictures in one split; --on-duplicate=skip keeps the "
                "latter only, --on_near_duplicate=keep keeps both"
            )
        self._duplicates.append({"id": row.id, "row": row.number, "nearly_equal_to": first.id})
        return True

    def _decoded(self, small: int, row: table.Row) -> tuple[bytes | None, pictures.Picture | pictures.BadPicture]:
        """Return the content of a picture's file, None if it cannot be read, and the picture or what is wrong."""
        data, frames = None, self.builder_config.frames
        try:
            data = self._read(row)
            return data, pictures.decode(data, small) if frames is None else film_strip.decode(data, frames)
        except pictures.BadPicture as error:
            return data, error

    def _read(self, row: table.Row) -> bytes:
        config = self.builder_config
        return picture_folder.read(Path(config.images), row.id, config.follow_links)


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


def _count_pairs(split: str, scores: Sequence[float], groups: Sequence[str], why: str = "") -> int:
    """Return how many pairs of a split can be compared.

    Raises:
        ValueError: none can; `why` ends the message.
    """
    pairs = len(ComparablePairs(np.array(scores, np.float64), np.array(groups, str)))
    if not pairs:
        wanted = "expected at least two of one group with different scores"
        raise ValueError(f"split {split!r}: got fewer than two comparable pictures, {wanted}{why}")
    return pairs
