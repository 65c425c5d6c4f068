"""Check a built dataset from its files alone: every record reads and decodes, and splits share nothing."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable

import numpy as np

from data_prep.built import BuiltDataset, Item, text
from lena_jax.data import judged_pairs


@dataclasses.dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        counts: how many records of each split could be read.
        problems: one line each; empty for a sound dataset.
        repeated: how many pictures equal another of their split, which is allowed.
    """

    counts: dict[str, int]
    problems: list[str]
    repeated: int


def check(data: BuiltDataset, progress: Callable[[Iterable, str], Iterable] | None = None) -> Checked:
    """Read every record, decode every picture, and compare ids, contents and units between splits.

    A problem is a record that cannot be read, a picture that does not decode, a score that is not finite, an id that
    is there twice (for pairs: the same pair twice), or an id, a picture (by its pixels) or a unit in two splits.

    Args:
        data: the dataset.
        progress: wraps the record numbers of a split, `progress(numbers, split)`, to show a progress bar.
    """
    problems: list[str] = []
    read = dict.fromkeys(data.counts, 0)
    seen = _Seen(problems)
    for split, count in data.counts.items():
        numbers = range(count)
        for number in numbers if progress is None else progress(numbers, split):
            where = f"{split} record {number}"
            try:
                record = data.record(split, number)
                items = data.items(record)
            # The reader raises RuntimeError for a damaged or absent file. For a truncated file it may return an empty
            # record, which fails in TFDS or here with almost any exception.
            except Exception as error:
                problems.append(f"{where}: cannot be read: {_short(error)}")
                continue
            read[split] += 1
            pixels = {}
            for feature in data.images:
                try:
                    pixels[feature] = data.decode(record, feature)
                # A decoder, too, may raise almost anything for damaged bytes.
                except Exception as error:
                    problems.append(f"{where} ({items[0].id}): {feature} does not decode: {_short(error)}")
            seen.add_record(where, split, items)
            for item in items:
                if not math.isfinite(item.score):
                    problems.append(f"{where} ({item.id}): score is {item.score}, expected a finite number")
                contents = [_hash(pixels[item.feature])] if item.feature in pixels else []
                # One picture in two file formats may be stored with slightly different pixels. The builder's hash,
                # of the original pixels, is the same.
                if item.feature == "image" and text(record.get("content", "")):
                    contents.append(text(record["content"]))
                seen.add_picture(where, split, item, contents)
            if unit := text(record.get("unit", "")):
                seen.add_unit(where, split, unit)
    problems += _pairs_problems(data, seen)
    return Checked(read, problems, seen.repeated)


def _pairs_problems(data: BuiltDataset, seen: "_Seen") -> Iterable[str]:
    """Yield what is wrong with the dataset's own pairs, if it has any."""
    if not judged_pairs.there(data.folder):
        return
    try:
        rows = list(judged_pairs.rows(data.folder))
    except ValueError as error:
        yield str(error)
        return
    for number, (left, right, *_) in enumerate(rows, start=2):
        splits = [seen.split_of(name) for name in (left, right)]
        for name, split in zip((left, right), splits, strict=True):
            if split is None:
                yield f"{judged_pairs.FILE}, line {number}: there is no picture {name}"
        if None not in splits and splits[0] != splits[1]:
            where = f"{judged_pairs.FILE}, line {number}"
            yield f"{where}: {left} is in {splits[0]} and {right} in {splits[1]}, expected one split"


class _Seen:
    """Remembers where each id, content and unit came first, and reports what comes twice or in two splits."""

    def __init__(self, problems: list[str]):
        self._problems = problems
        self._records: dict[tuple[str, ...], str] = {}
        self._splits: dict[tuple[str, str], tuple[str, str]] = {}
        self._reported: set[tuple[str, str]] = set()
        self.repeated = 0

    def add_record(self, where: str, split: str, items: list[Item]) -> None:
        first = self._records.setdefault(tuple(sorted(item.id for item in items)), where)
        if first is not where:
            names = " and ".join(item.id for item in items)
            self._problems.append(f"{where}: id {names} is there twice, first in {first}")

    def add_picture(self, where: str, split: str, item: Item, contents: list[str]) -> None:
        if self._in_two_splits("id", item.id, where, split, item.id):
            return
        known = [self._splits.get(("picture", content)) for content in contents]
        self.repeated += any(first and first[0] == split and first[1] != item.id for first in known)
        for content in contents:
            if self._in_two_splits("picture", content, where, split, item.id):
                return

    def split_of(self, name: str) -> str | None:
        """Return the split in which an id came first, or None."""
        return self._splits.get(("id", name), (None, None))[0]

    def add_unit(self, where: str, split: str, unit: str) -> None:
        self._in_two_splits("unit", unit, where, split, unit)

    def _in_two_splits(self, kind: str, key: str, where: str, split: str, name: str) -> bool:
        first_split, first_name = self._splits.setdefault((kind, key), (split, name))
        if first_split == split:
            return False
        if (kind, key) not in self._reported:
            self._reported.add((kind, key))
            equal = f" is equal to {first_name}" if kind == "picture" else " is"
            self._problems.append(f"{where}: {kind} {name}{equal} in {first_split} too, expected in one split only")
        return True


def _hash(pixels: np.ndarray) -> str:
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:32]


def _short(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:200]
