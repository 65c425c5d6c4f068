"""The TFDS builder `uiv`: the pairs, or the single pictures, of "Understanding Image Virality"."""

import dataclasses
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import download_manager

from data_prep import build_report, usable_pictures
from data_prep.left_out import MAX_SHARE, LeftOut, check_share
from data_prep.streaming import StreamingBuilder
from data_prep.uiv import annotations
from lena_jax.runtime.ahead import ahead
from lena_jax.runtime.files import unfinished_folder, write_whole

SPLITS = ("train", "test")


class Builder(StreamingBuilder):
    """Pairs of pictures, and which of them spread more (config `pairs`), or single pictures (`images`).

    Records are ordered by the hashes of their ids. The 489 published test pairs and their pictures are in `test`, all
    others in `train`. A picture that is missing or unusable is counted and left out, with its pair.

    Args:
        images: folder of pictures named by their number, such as `10354.jpg`, with any common ending.
        manual_dir: folder with the five annotation files; None downloads them.
        cache_dir: folder that keeps downloaded annotation files for the next time; or None.
        max_loss: share of a split's examples that may be left out; 1 allows all but an empty split.
        min_side: least width and height of a picture, in pixels.
        follow_links: whether links in the folder of pictures may lead out of it.
        **kwargs: `config` ("pairs", the default, or "images"), `data_dir` and the other options of
            `tfds.core.DatasetBuilder`.

    Raises:
        ValueError: bad options; while building, no such folder, annotation files other than the published ones, too
            much of a split left out, or a link out of the folder.
        OSError: while building, the annotation files cannot be downloaded.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"1.0.0": "First release.", "2.0.0": "Colours are brought to sRGB through each picture's profile."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="pairs", description="two pictures, as shown to people, and which won"),
        tfds.core.BuilderConfig(name="images", description="one picture, its score and counts"),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "pairs"

    def __init__(
        self,
        *,
        images: str | os.PathLike,
        manual_dir: str | os.PathLike | None = None,
        cache_dir: str | os.PathLike | None = None,
        max_loss: float = MAX_SHARE,
        min_side: int = usable_pictures.MIN_SIDE,
        follow_links: bool = False,
        **kwargs: Any,
    ):
        self.images = Path(images).expanduser()
        self.manual_dir = None if manual_dir is None else Path(manual_dir).expanduser()
        self.cache_dir = None if cache_dir is None else Path(cache_dir).expanduser()
        self.max_loss = check_share(max_loss)
        self.min_side = usable_pictures.check_side(min_side)
        self.follow_links = follow_links
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        make = _pair_features if self._is_pairs else _image_features
        return self.dataset_info_from_configs(
            description=f"{__doc__}\n\n{self.builder_config.description}",
            features=tfds.features.FeaturesDict(make()),
            homepage="https://github.com/ArturoDeza/virality",
        )

    @functools.cached_property
    def content(self) -> annotations.Annotations:
        """The published annotations, downloaded if they are missing."""
        with unfinished_folder(Path(tempfile.gettempdir(), "uiv")) as folder:
            return self._read(self._make_download_manager(folder, tfds.download.DownloadConfig()))

    def expected_counts(self) -> dict[str, int]:
        return {split: len(examples) for split, examples in self._splits().items()}

    def fingerprint(self) -> str:
        """Read every picture and return a hash of all that the records depend on."""
        names = usable_pictures.find(self.images)
        digest = self._new_fingerprint()
        for split, examples in self._splits().items():
            if self.progress is not None:
                examples = self.progress(examples, f"comparing {split}", len(examples))
            for example in examples:
                for id in self._ids(example):
                    try:
                        _add(digest, id, usable_pictures.read(self.images, names.get(id), self.follow_links))
                    except usable_pictures.Unusable:
                        _add(digest, id, None)
        return digest.hexdigest()

    def finish(self, folder: Path) -> None:
        self._left_out.check(self.max_loss)
        report = {
            "fingerprint": self._fingerprint.hexdigest(),
            # Nothing here is random.
            "seed": None,
            "counts": self._left_out.kept,
            "annotations": f"ArturoDeza/virality, commit {annotations.COMMIT}",
            "min_side": self.min_side,
            "max_loss": self.max_loss,
            "splits": self._left_out.summary(),
            "left_out": self._left_out.pictures,
        }
        build_report.write(folder, report, self._left_out.text())

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        # Read through the manager even if they were read before: it records what was downloaded.
        self.__dict__["content"] = self._read(dl_manager)
        names = usable_pictures.find(self.images)
        splits = self._splits()
        counts = {split: len(examples) for split, examples in splits.items()}
        each = 2 if self._is_pairs else 1
        self._left_out = LeftOut(
            "pairs" if self._is_pairs else "pictures",
            counts,
            {split: each * count for split, count in counts.items()},
        )
        for split, examples in splits.items():
            # This much is known before any picture is opened.
            lost = sum(any(id not in names for id in self._ids(example)) for example in examples)
            self._left_out.check_split(split, lost, self.max_loss, f" in {self.images}")
        self._fingerprint = self._new_fingerprint()
        return {split: self._generate_examples(examples, names) for split, examples in splits.items()}

    def _generate_examples(self, examples: list, names: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        encode = self._pair if self._is_pairs else self._image

        def loaded(example: Any) -> list[tuple[bytes | None, bytes | usable_pictures.Unusable]]:
            return [self._loaded(names.get(id)) for id in self._ids(example)]

        for example, pictures in ahead(loaded, examples):
            # Look at both pictures of a pair even if the first is bad: the report counts each.
            ids, usable = self._ids(example), []
            for id, (data, picture) in zip(ids, pictures, strict=True):
                _add(self._fingerprint, id, data)
                if isinstance(picture, usable_pictures.Unusable):
                    self._left_out.add(example.split, id, picture.reason, str(picture))
                else:
                    usable.append(picture)
            if len(usable) == len(ids):
                self._left_out.kept[example.split] += 1
                yield " ".join(ids), encode(example, *usable)

    def _loaded(self, name: str | None) -> tuple[bytes | None, bytes | usable_pictures.Unusable]:
        """Return the content of a picture's file, None if it cannot be read, and what to store or what is wrong."""
        data = None
        try:
            data = usable_pictures.read(self.images, name, self.follow_links)
            return data, usable_pictures.decode(data, self.min_side).data
        except usable_pictures.Unusable as error:
            return data, error

    def _pair(self, pair: annotations.Pair, left: bytes, right: bytes) -> dict[str, Any]:
        pictures = self.content.pictures
        return {
            "left": left,
            "right": right,
            "label": pair.label,
            "left_id": pair.left,
            "right_id": pair.right,
            "left_score": pictures[pair.left].score,
            "right_score": pictures[pair.right].score,
            "attributes": dict(zip(annotations.ATTRIBUTES, pair.attributes, strict=True)),
        }

    def _image(self, picture: annotations.Picture, image: bytes) -> dict[str, Any]:
        record = dataclasses.asdict(picture)
        del record["url"], record["split"]
        return {"image": image, "group": "", **record}

    @property
    def _is_pairs(self) -> bool:
        return self.builder_config.name == "pairs"

    @staticmethod
    def _ids(example: annotations.Pair | annotations.Picture) -> tuple[str, ...]:
        return (example.left, example.right) if isinstance(example, annotations.Pair) else (example.id,)

    def _splits(self) -> dict[str, list]:
        """Return the examples of each split, in an order that depends on their ids alone."""
        examples = self.content.pairs if self._is_pairs else self.content.pictures.values()
        ordered = sorted(examples, key=lambda item: hashlib.sha256(" ".join(self._ids(item)).encode()).digest())
        return {split: [example for example in ordered if example.split == split] for split in SPLITS}

    def _new_fingerprint(self):
        text = f"uiv/{self.builder_config.name} {self.VERSION} {annotations.COMMIT} {self.min_side}"
        return hashlib.sha256(text.encode())

    def _make_download_manager(self, download_dir, download_config):
        """Return a manager that looks for given or cached files first, and checks all hashes."""
        manual_dir = self.manual_dir or download_config.manual_dir
        if manual_dir is not None:
            missing = [name for name in annotations.URLS if not (Path(manual_dir) / name).is_file()]
            if missing:
                raise ValueError(f"manual_dir {manual_dir}: got no {', '.join(missing)}, expected the published files")
        config = dataclasses.replace(
            download_config, manual_dir=manual_dir or self.cache_dir, force_checksums_validation=True
        )
        return super()._make_download_manager(download_dir, config)

    def _read(self, manager) -> annotations.Annotations:
        try:
            # Download one after the other: after a failure, no thread goes on with the others.
            paths = {name: Path(manager.download(url)) for name, url in annotations.URLS.items()}
        except download_manager.NonMatchingChecksumError as error:
            raise ValueError(f"not the published annotation file: {error}") from error
        except (OSError, tfds.download.DownloadError) as error:
            raise OSError(
                f"the annotation files cannot be downloaded ({error}); "
                f"put {', '.join(annotations.URLS)} into a folder and name it with --manual_dir"
            ) from error
        if self.cache_dir is not None and self.manual_dir is None:
            _keep(paths, self.cache_dir)
        return annotations.read(paths)


def _keep(paths: dict[str, Path], folder: Path) -> None:
    """Copy checked files to where the next build finds them; each is there whole or not at all."""
    for name, path in paths.items():
        if path.parent != folder:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as file:
                write_whole(folder / name, lambda part, file=file: shutil.copyfileobj(file, part), "wb")


def _add(digest, id: str, data: bytes | None) -> None:
    content = "" if data is None else hashlib.sha256(data).hexdigest()
    digest.update(f"{id} {content}\n".encode())


def _pair_features() -> dict[str, Any]:
    features = tfds.features
    return {
        "left": features.Image(shape=(None, None, 3), doc="upright RGB; on the left when people compared them"),
        "right": features.Image(shape=(None, None, 3)),
        "label": features.Scalar(np.int32, doc="1: the left one is the more viral, 0: the right one"),
        "left_id": features.Text(doc="the picture's number in the publication"),
        "right_id": features.Text(),
        "left_score": features.Scalar(np.float32, doc="virality score"),
        "right_score": features.Scalar(np.float32),
        "attributes": features.FeaturesDict(
            {
                name: features.Scalar(np.int32, doc="1: the left one has more of it, -1: the right one, 0: equal")
                for name in annotations.ATTRIBUTES
            }
        ),
    }


def _image_features() -> dict[str, Any]:
    features = tfds.features
    return {
        "image": features.Image(shape=(None, None, 3), doc="upright RGB"),
        "id": features.Text(doc="the picture's number in the publication"),
        "score": features.Scalar(np.float32, doc="best_likes * log(submissions / mean(submissions))"),
        "group": features.Text(doc="always empty: all pictures are comparable"),
        "best_likes": features.Scalar(np.float32, doc="best adjusted score of its submissions (max_a_score)"),
        "mean_likes": features.Scalar(np.float32, doc="mean adjusted score (mean_a_score)"),
        "submissions": features.Scalar(np.int32, doc="how often it was submitted"),
        "best_upvotes": features.Scalar(np.int32, doc="max_raw_upvotes"),
        "most_comments": features.Scalar(np.int32, doc="max_number_of_comments"),
    }
