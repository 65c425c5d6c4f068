"""The TFDS builder `ivgp`: pictures of Google+ posts and their virality, or pairs of them."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from data_prep import build_report, usable_pictures
from data_prep.ivgp import activities, features, posts
from data_prep.ivgp.posts import Post
from data_prep.left_out import MAX_SHARE, LeftOut, check_share
from data_prep.streaming import StreamingBuilder
from data_prep.usable_pictures import Unusable
from lena_jax.data.pairs import ComparablePairs
from lena_jax.runtime.ahead import ahead

PAIRS = 5000
# A picture that was posted several times is one picture: its earliest post counts.
REASONS = (*usable_pictures.REASONS, "duplicate")


class Builder(StreamingBuilder):
    """Pictures of Google+ posts (config `images`), or pairs of them, and which spread more (`pairs`).

    Every picture is read before the first record is written, because pairs are drawn from usable pictures only.
    Records are ordered by the hashes of their ids. An author's posts are all on one side of the split.

    Args:
        activities: file of Google+ activities, JSON lines or CSV; see `activities.read`.
        images: folder of pictures, `<post id>.<ending>` unless the CSV names them.
        test: share of authors whose posts are for testing; see `posts.make`.
        window_days: compare only posts in the same window of so many days; see `posts.make`.
        same_author: compare only posts of one author.
        pairs: most pairs in a split; where more are comparable, that many are drawn.
        gap: least difference between the scores of a pair.
        seed: seed of the draw, and of the side of each picture.
        max_loss: share of a split's pictures that may be left out; 1 allows all but an empty split.
        min_side: least width and height of a picture, in pixels.
        follow_links: whether links in the folder of pictures may lead out of it.
        **kwargs: `config` ("images", the default, or "pairs"), `data_dir` and the other options of
            `tfds.core.DatasetBuilder`.

    Raises:
        ValueError: bad options; while building, an unusable file of activities, no such folder, too much of a split
            left out, a split without two comparable pictures, or a path that leaves the folder.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"1.0.0": "First release.", "2.0.0": "Colours are brought to sRGB through each picture's profile."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="images", description="one picture, its score and counts"),
        tfds.core.BuilderConfig(name="pairs", description="two pictures, and which of them spread more"),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "images"

    def __init__(
        self,
        *,
        activities: str | os.PathLike,
        images: str | os.PathLike,
        test: float = 0.1,
        window_days: int | None = None,
        same_author: bool = False,
        pairs: int = PAIRS,
        gap: float = 0.0,
        seed: int = 0,
        max_loss: float = MAX_SHARE,
        min_side: int = usable_pictures.MIN_SIDE,
        follow_links: bool = False,
        **kwargs: Any,
    ):
        self.activities = Path(activities).expanduser()
        self.images = Path(images).expanduser()
        self.grouping = {"test": test, "window_days": window_days, "same_author": same_author}
        if pairs < 1:
            raise ValueError(f"pairs: got {pairs}, expected at least 1")
        if not (np.isfinite(gap) and gap >= 0):
            raise ValueError(f"gap: got {gap}, expected a finite number of at least 0")
        if seed < 0:
            raise ValueError(f"seed: got {seed}, expected a whole number >= 0")
        self.pairs, self.gap, self.seed = pairs, gap, seed
        self.max_loss = check_share(max_loss)
        self.min_side = usable_pictures.check_side(min_side)
        self.follow_links = follow_links
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        make = features.of_pairs if self._is_pairs else features.of_images
        return self.dataset_info_from_configs(
            description=f"{__doc__}\n\n{self.builder_config.description}",
            features=tfds.features.FeaturesDict(make()),
        )

    @functools.cached_property
    def content(self) -> posts.Posts:
        """The posts, read, scored, grouped and split."""
        return posts.make(activities.read(self.activities), set(self._names), **self.grouping)

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        return usable_pictures.find(self.images)

    def expected_counts(self) -> dict[str, int]:
        return dict(self._counts)

    def fingerprint(self) -> str:
        """Read every picture and return a hash of all that the records depend on."""
        digest = self._new_fingerprint()
        for post in self._watched("comparing"):
            try:
                _add(digest, post, self._read(post))
            except Unusable:
                _add(digest, post, None)
        return digest.hexdigest()

    def finish(self, folder: Path) -> None:
        report = {
            "fingerprint": self._fingerprint.hexdigest(),
            "seed": self.seed,
            "counts": self._counts,
            **self.grouping,
            "window_days": self.content.window_days,
            "gap": self.gap,
            "min_side": self.min_side,
            "max_loss": self.max_loss,
            "activities": self.content.activities,
            "authors": {
                split: len({post.activity.author for post in kept} - {""}) for split, kept in self._kept.items()
            },
            "splits": self._left_out.summary(),
            "left_out": self._left_out.pictures,
        }
        build_report.write(folder, report, self._text())

    def _text(self) -> str:
        numbers = self.content.activities
        names = ("reshares", "without_picture", "without_time")
        what = ", ".join(f"{numbers[name]:,} {name.replace('_', ' ')}" for name in names)
        return f"{numbers['activities']:,} activities, of which left out: {what}\n" + self._left_out.text()

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        self._fingerprint = self._new_fingerprint()
        self._survey()
        self._left_out.check(self.max_loss)
        comparable = {split: self._comparable(split, kept) for split, kept in self._kept.items()}
        if self._is_pairs:
            self._counts = {split: min(len(pairs), self.pairs) for split, pairs in comparable.items()}
            return {split: self._generate_pairs(split, pairs) for split, pairs in comparable.items()}
        self._counts = {split: len(kept) for split, kept in self._kept.items()}
        return {split: self._generate_examples(kept) for split, kept in self._kept.items()}

    def _survey(self) -> None:
        """Decode every picture once, to find which can be used and which are equal."""
        everything = self.content.posts
        splits = sorted({post.split for post in everything}, reverse=True)
        self._left_out = LeftOut(
            "pictures",
            {split: sum(post.split == split for post in everything) for split in splits},
            reasons=REASONS,
        )
        first: dict[str, Post] = {}
        usable: list[Post] = []
        self._contents: dict[str, str] = {}
        for post, (data, content) in ahead(self._content, self._watched("checking")):
            _add(self._fingerprint, post, data)
            if isinstance(content, Unusable):
                self._left_out.add(post.split, post.id, content.reason, str(content))
                continue
            usable.append(post)
            self._contents[post.id] = content
            first[content] = min(first.get(content, post), post, key=_time_and_id)
        self._kept = {split: [] for split in splits}
        for post in usable:
            earliest = first[self._contents[post.id]]
            if earliest is post:
                self._kept[post.split].append(post)
                self._left_out.kept[post.split] += 1
            else:
                self._left_out.add(post.split, post.id, "duplicate", f"equal to the picture of {earliest.id}")

    def _content(self, post: Post) -> tuple[bytes | None, str | Unusable]:
        """Return the content of a picture's file, None if it cannot be read, and its pixels' hash or what is wrong."""
        data = None
        try:
            data = self._read(post)
            return data, usable_pictures.decode(data, self.min_side).content
        except Unusable as error:
            return data, error

    def _comparable(self, split: str, kept: list[Post]) -> ComparablePairs:
        # As stored, in 32 bits, close scores become equal.
        scores = np.float32([post.score for post in kept])
        pairs = ComparablePairs(scores, [post.group for post in kept], self.gap)
        if not len(pairs):
            raise ValueError(
                f"split {split!r}: got no two comparable pictures of {len(kept):,}, expected two of one group "
                f"whose scores differ by at least {self.gap:g}"
            )
        return pairs

    def _generate_examples(self, kept: list[Post]) -> Iterator[tuple[str, dict[str, Any]]]:
        for post, picture in ahead(self._picture, kept):
            activity = post.activity
            yield (
                post.id,
                {
                    "image": picture,
                    "id": post.id,
                    "score": post.score,
                    "group": post.group,
                    "unit": activity.author,
                    "content": self._contents[post.id],
                    "plusoners": activity.plusoners,
                    "replies": activity.replies,
                    "resharers": activity.resharers,
                    "published": -1 if activity.published is None else int(activity.published),
                },
            )

    def _generate_pairs(self, split: str, comparable: ComparablePairs) -> Iterator[tuple[str, dict[str, Any]]]:
        kept = self._kept[split]
        drawn = []
        for high, low in comparable.some(self.pairs, self.seed).tolist():
            high, low = kept[high], kept[low]
            digest = hashlib.sha256(f"{self.seed} {high.id} {low.id}".encode()).digest()
            drawn.append((digest, high, low))
        # The digest gives the order, and its last bit which picture is on the left.
        for digest, high, low in sorted(drawn, key=lambda item: item[0]):
            label = digest[-1] & 1
            left, right = (high, low) if label else (low, high)
            yield (
                f"{left.id} {right.id}",
                {
                    "left": self._picture(left),
                    "right": self._picture(right),
                    "label": label,
                    **{f"left_{name}": value for name, value in _side(left).items()},
                    **{f"right_{name}": value for name, value in _side(right).items()},
                    "group": left.group,
                },
            )

    def _picture(self, post: Post) -> bytes:
        """Return the picture of a post that the survey found usable."""
        try:
            return usable_pictures.decode(self._read(post), self.min_side).data
        except Unusable as error:
            raise ValueError(f"picture of {post.id}: {error}; it was there a moment ago") from error

    def _read(self, post: Post) -> bytes:
        name = post.activity.image or self._names.get(post.id)
        return usable_pictures.read(self.images, name, self.follow_links)

    def _watched(self, doing: str):
        everything = self.content.posts
        return everything if self.progress is None else self.progress(everything, doing, len(everything))

    @property
    def _is_pairs(self) -> bool:
        return self.builder_config.name == "pairs"

    def _new_fingerprint(self):
        options = [self.builder_config.name, str(self.VERSION), self.content.window_days, self.min_side]
        if self._is_pairs:
            options += [self.pairs, self.gap, self.seed]
        return hashlib.sha256(json.dumps(["ivgp", *options]).encode())


def _time_and_id(post: Post) -> tuple[float, str]:
    published = post.activity.published
    return (float("inf") if published is None else published, post.id)


def _add(digest, post: Post, data: bytes | None) -> None:
    activity = post.activity
    values = [post.id, post.score, post.split, post.group, activity.author, activity.published]
    values += [activity.plusoners, activity.replies, activity.resharers]
    values.append(None if data is None else hashlib.sha256(data).hexdigest())
    digest.update(json.dumps(values).encode())


def _side(post: Post) -> dict[str, Any]:
    return {"id": post.id, "score": post.score, "author": post.activity.author}
