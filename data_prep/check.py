"""Checks a built data set as a stranger would: every record read and decoded, nothing on two sides of a split."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable

import numpy as np

from data_prep.built import BuiltDataSet, Item, text


@dataclasses.dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes:
        counts: records of each split that were read.
        problems: one line each; empty for a sound data set.
        repeated: pictures that are equal to another of their split, which is allowed.
    """

    counts: dict[str, int]
    problems: list[str]
    repeated: int


def check(data: BuiltDataSet, progress: Callable[[Iterable, str], Iterable] | None = None) -> Checked:
    """Reads every record, decodes every picture, and compares ids, contents and units between splits.

    A problem is: a record that cannot be read, a picture that does not decode, a score that is not finite, an id
    twice (of pairs: the same pair twice), and an id, a picture (by its pixels) or a unit in two splits.

    Args:
        data: the data set.
        progress: wraps the record numbers of a split, `progress(numbers, split)`.
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
            # The reader raises RuntimeError for a damaged or absent file; of a truncated one it may return an empty
            # record, which fails in TFDS or here with almost anything.
            except Exception as error:
                problems.append(f"{where}: cannot be read: {_short(error)}")
                continue
            read[split] += 1
            pixels = {}
            for feature in data.images:
                try:
                    pixels[feature] = data.decode(record, feature)
                # As above: of hostile bytes a decoder raises almost anything.
                except Exception as error:
                    problems.append(f"{where} ({items[0].id}): {feature} does not decode: {_short(error)}")
            seen.add_record(where, split, items)
            for item in items:
                if not math.isfinite(item.score):
                    problems.append(f"{where} ({item.id}): score is {item.score}, expected a finite number")
                contents = [_hash(pixels[item.feature])] if item.feature in pixels else []
                # Of one picture in two formats the pixels stored may differ a little; the builder saw the same.
                if item.feature == "image" and text(record.get("content", "")):
                    contents.append(text(record["content"]))
                seen.add_picture(where, split, item, contents)
            if unit := text(record.get("unit", "")):
                seen.add_unit(where, split, unit)
    return Checked(read, problems, seen.repeated)


class _Seen:
    """Where each id, content and unit was first; tells what is there twice, or in two splits."""

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
