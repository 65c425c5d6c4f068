"""The TFDS builder `image_pairs`: a folder of pictures and a table of pairs, each with what people chose."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_prep import build_report, near_duplicates, picture_folder
from data_prep.image_pairs import columns, judged, look, table
from data_prep.image_scores.table import SPLITS
from data_prep.picture_names import PictureNames
from data_prep.streaming import StreamingBuilder
from lena_jax.data import judged_pairs, pictures
from lena_jax.data.bradley_terry import strengths
from lena_jax.data.dataset import NEAR_DUPLICATES
from lena_jax.data.units import kept_together
from lena_jax.runtime.ahead import ahead

# Where fewer pairs are left of a split, or a smaller share of all, the build stops.
_LEAST_PAIRS, _LEAST_SHARE = 2, 0.1


@dataclasses.dataclass(eq=False, kw_only=True)
class ImagePairsConfig(tfds.core.BuilderConfig):
    """What to build from; `name` is the dataset's name, in a-z, 0-9 and _.

    Attributes:
        images: folder that the table's paths are relative to.
        csv: the table, see `data_prep.tables.files`.
        columns: which column is what: keyword arguments of `columns.find`.
        prior_views: strength of the prior of click rates in views; None estimates it.
        follow_links: whether links in the folder may lead out of it.
        on_bad_image: "error", or "skip" to leave out pictures that are missing or do not decode, with their pairs.
        on_near_duplicate: "group" to keep nearly equal pictures on one side of every split and fold, or "keep".
    """

    images: str = ""
    csv: str = ""
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)
    prior_views: float | None = None
    follow_links: bool = False
    on_bad_image: str = "error"
    on_near_duplicate: str = "group"

    def __post_init__(self):
        self.images, self.csv = os.path.expanduser(self.images), os.path.expanduser(self.csv)


class Builder(StreamingBuilder):
    """Pictures, each once, and beside them the pairs (`lena_jax.data.judged_pairs`).

    The score of a picture is its Bradley-Terry strength among the pairs of its split.

    Args:
        config: an `ImagePairsConfig`.
        **kwargs: `data_dir` and the other options of `tfds.core.DatasetBuilder`.

    Raises:
        ValueError: while building, a missing folder or table, an unusable table (see `table.read`), a picture that is
            missing or does not decode (unless skipped), a picture in two groups, or too few pairs left in a split.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    builder_config_cls = ImagePairsConfig

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features
        named = {
            "image": features.Image(shape=(None, None, 3), doc="upright RGB"),
            "id": features.Text(doc="the picture's path as in the table"),
            "score": features.Scalar(np.float64, doc="Bradley-Terry strength among the pairs of its split"),
            "group": features.Text(doc="as in the table; or empty"),
            "unit": features.Text(doc="pictures of one unit stay on one side of a split; or empty"),
            "content": features.Text(doc="equal for equal pixels, as the file gave them"),
        }
        return self.dataset_info_from_configs(description=__doc__, features=features.FeaturesDict(named))

    @functools.cached_property
    def content(self) -> table.Table:
        """The table, with every check that needs no picture."""
        config = self.builder_config
        if config.on_bad_image not in ("error", "skip"):
            raise ValueError(f"on_bad_image: got {config.on_bad_image!r}, expected 'error' or 'skip'")
        if config.on_near_duplicate not in ("group", "keep"):
            raise ValueError(f"on_near_duplicate: got {config.on_near_duplicate!r}, expected 'group' or 'keep'")
        if not Path(config.images).is_dir():
            raise ValueError(f"no such folder of pictures: {config.images}")
        found = columns.find(Path(config.csv), Path(config.images), **config.columns)
        self._names = PictureNames(Path(config.images))
        return table.read(Path(config.csv), found, self._names.find)

    @functools.cached_property
    def _facts(self) -> dict[str, dict[str, str]]:
        """The group, split and unit of each picture.

        The later of train, validation and test wins. Units that a picture connects are one unit, with the name of the
        first.
        """
        found: dict[str, dict[str, str]] = {}
        connected = []
        for row in self.content.rows:
            for name, unit in zip((row.left, row.right), row.units, strict=True):
                known = found.setdefault(name, {"group": row.group, "unit": "", "split": row.split})
                if known["group"] != row.group:
                    raise ValueError(
                        f"{self.builder_config.csv}, row {row.number}: picture {name!r} is in group {row.group!r}, and "
                        f"in {known['group']!r} in another row, expected one"
                    )
                known["split"] = max(known["split"], row.split, key=SPLITS.index)
                if unit:
                    connected.append((f"unit {unit}", f"picture {name}"))
        for members in near_duplicates.sets_of(sorted(set(connected))):
            for member in members:
                kind, _, name = member.partition(" ")
                if kind == "picture":
                    found[name]["unit"] = members[0].removeprefix("unit ")
        return found

    def expected_counts(self) -> dict[str, int]:
        return {"train": len(self._facts)}

    def fingerprint(self) -> str:
        """Read every picture and return a hash of all that the records depend on: the rows and the files."""
        names = sorted(self._facts)
        files = {}
        for name in names if self.progress is None else self.progress(names, "comparing", len(names)):
            try:
                files[name] = hashlib.sha256(self._read(name)).hexdigest()
            except pictures.BadPicture:
                files[name] = None
        return self._digest(files)

    def _digest(self, files: dict[str, str | None]) -> str:
        config = self.builder_config
        rows = sorted(str(dataclasses.replace(row, number=0)) for row in self.content.rows)
        digest = hashlib.sha256(f"image_pairs {self.VERSION} {config.on_near_duplicate} {config.prior_views}".encode())
        digest.update(json.dumps([rows, sorted(files.items())]).encode())
        return digest.hexdigest()

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        config, content = self.builder_config, self.content
        contents, similar, files, bad = self._look_at_pictures()
        near = list(similar.pairs())
        self._contents = contents
        units = self._units(contents, near)
        splits: dict[int, str] = {}
        for name, unit in units.items():
            splits[unit] = max(splits.get(unit, "train"), self._facts[name]["split"], key=SPLITS.index)
        prior = judged.prior_of(content.rows, config.prior_views)
        pairs = judged.pairs_of(content.rows, prior)
        usable = [pair for pair in pairs if pair.left in contents and pair.right in contents]
        different = [pair for pair in usable if contents[pair.left] != contents[pair.right]]
        kept = [pair for pair in different if {splits[units[n]] for n in (pair.left, pair.right)} == {pair.split}]
        self._check_enough(pairs, different, kept)
        self._kept = kept
        self._report = {
            "fingerprint": self._digest(files),
            "seed": None,
            "pairs": {split: sum(pair.split == split for pair in kept) for split in SPLITS},
            "pairs_of_bad_pictures": len(pairs) - len(usable),
            "pairs_of_equal_pictures": len(usable) - len(different),
            "pairs_across_splits": len(different) - len(kept),
            "table": content.kind,
            "table_said": list(content.said),
            "rows": content.total,
            "rows_left_out": content.left_out,
            "bad_pictures": bad,
            "near_duplicates": near,
            "near_duplicates_not_looked_for": similar.full,
            "prior": prior and dataclasses.asdict(prior),
            "choices": look.of_rows(content.rows),
        }
        members: dict[str, list[str]] = {}
        for name in judged.names_of(kept):
            members.setdefault(splits[units[name]], []).append(name)
        order = sorted(members, key=SPLITS.index)
        self._report["counts"] = {split: len(members[split]) for split in order}
        return {split: self._generate_examples(members[split], split) for split in order}

    def _check_enough(self, pairs, usable, kept) -> None:
        split_by = self.builder_config.columns.get("split")
        for split in sorted({pair.split for pair in pairs}, key=SPLITS.index):
            before = sum(pair.split == split for pair in usable)
            after = sum(pair.split == split for pair in kept)
            if after < _LEAST_PAIRS or after < _LEAST_SHARE * before:
                raise ValueError(
                    f"split {split!r}: got {after:,} of {before:,} pairs whose two pictures are in this split alone, "
                    f"expected at least {_LEAST_PAIRS} and {_LEAST_SHARE:.0%}"
                    + (
                        f": pictures recur in several splits of column {split_by!r}. Leave --split away and let folds "
                        "split by picture (--folds=5 in training), or split by picture"
                        if split_by
                        else ": add pairs, or see what was left out"
                    )
                )

    def _look_at_pictures(self):
        """Decode every picture once.

        Returns:
            {id: hash of its pixels}, `NearDuplicates`, {id: hash of its file}, and what is bad.
        """
        names = sorted(self._facts)
        small = near_duplicates.SIDE * (self.builder_config.on_near_duplicate == "group")
        contents, files, bad = {}, {}, []
        similar, seen = near_duplicates.NearDuplicates(), set()
        watched = names if self.progress is None else self.progress(names, "reading", len(names))
        for name, (files[name], picture) in ahead(functools.partial(self._decoded, small), watched):
            if isinstance(picture, pictures.BadPicture):
                if self.builder_config.on_bad_image == "error":
                    raise ValueError(
                        f"picture {Path(self.builder_config.images) / name}: {picture}; --on-bad-image=skip leaves its "
                        "pairs out"
                    ) from picture
                bad.append({"id": name, "reason": self._names.explained(name, str(picture))})
                continue
            contents[name] = picture.content
            if picture.small is not None and picture.content not in seen:
                similar.add(name, picture.small)
            seen.add(picture.content)
        return contents, similar, files, bad

    def _decoded(self, small: int, name: str) -> tuple[str | None, pictures.Picture | pictures.BadPicture]:
        """Return the hash of a picture's file, None if it cannot be read, and the picture or what is wrong."""
        digest = None
        try:
            data = self._read(name)
            digest = hashlib.sha256(data).hexdigest()
            return digest, pictures.decode(data, small)
        except pictures.BadPicture as error:
            return digest, error

    def _units(self, contents: dict[str, str], near: list[tuple[str, str]]) -> dict[str, int]:
        """Number the sets of pictures that must stay on one side: equal, nearly equal, or of one unit."""
        names = list(contents)
        home = {name: members[0] for members in near_duplicates.sets_of(near) for name in members}
        number = kept_together(
            np.array([contents[name] for name in names], str),
            np.array([home.get(name, "") for name in names], str),
            np.array([self._facts[name]["unit"] for name in names], str),
        )
        return dict(zip(names, number.tolist(), strict=True))

    def _generate_examples(self, names: list[str], split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        scores = _scores(names, [pair for pair in self._kept if pair.split == split])
        order = sorted(range(len(names)), key=lambda index: hashlib.sha256(names[index].encode()).digest())
        for index in order:
            name, facts = names[index], self._facts[names[index]]
            picture = pictures.decode(self._read(name))
            if picture.content != self._contents[name]:
                raise ValueError(f"picture {name!r} changed while it was read: build again")
            example = {"image": picture.data, "id": name, "score": float(scores[index])}
            yield name, example | {"group": facts["group"], "unit": facts["unit"], "content": picture.content}

    def finish(self, folder: Path) -> None:
        judged_pairs.write(folder, [pair.values() for pair in self._kept])
        if near := self._report["near_duplicates"]:
            text = json.dumps(near_duplicates.sets_of(near), ensure_ascii=False)
            (folder / NEAR_DUPLICATES).write_text(text, encoding="utf-8")
        build_report.write(folder, self._report)

    def _read(self, name: str) -> bytes:
        config = self.builder_config
        return picture_folder.read(Path(config.images), name, config.follow_links)


def _scores(names: list[str], pairs: list[judged.Pair]) -> np.ndarray:
    """Return the Bradley-Terry strengths of the pictures of a split; a label counts as that share of a vote."""
    place = {name: index for index, name in enumerate(names)}
    votes = [pair.votes or (pair.label, 1 - pair.label) for pair in pairs]
    return strengths(len(names), [[place[pair.left], place[pair.right]] for pair in pairs], votes).value
