"""The CSV of `image_scores`: which picture has which score, in which group and split, every cell checked."""

import csv
import dataclasses
import difflib
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data_prep.picture_folder import check_name

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One usable row; `number` counts as a spreadsheet does (the header is 1), `id` is the picture's path."""

    number: int
    id: str
    score: float
    group: str
    split: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A read CSV: the usable rows in order, how many rows there are, and the numbers of those left out."""

    rows: tuple[Row, ...]
    total: int
    without_score: tuple[int, ...]
    without_group: tuple[int, ...]


def read(
    path: Path, score: str, image_column: str = "image", group: str | None = None, split: str | None = None
) -> Table:
    """Reads a CSV with a header row (UTF-8).

    Args:
      path: the CSV.
      score: column of scores. A row whose cell is empty is left out and counted.
      image_column: column of paths relative to the folder of pictures.
      group: column; only pictures of one group are compared. A row whose cell is empty is left out and
        counted.
      split: column with "train", "validation" or "test"; without it every row is in "train".

    Raises:
      ValueError: no such file, not a CSV in UTF-8, a column that is not there or there twice, a row of
        another length than the header, a score that is not a finite number, an unknown split, a path that
        leaves the folder, a picture twice.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no such CSV file: {path}")
    rows, without_score, without_group, seen = [], [], [], {}
    number = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            position = {
                name: _column(path, header, name) for name in (image_column, score, group, split) if name
            }
            for number, cells in enumerate(reader, start=2):
                where = f"{path}, row {number}"
                if not cells:
                    # An empty line holds nothing; many editors leave one at the end.
                    continue
                if len(cells) != len(header):
                    raise ValueError(
                        f"{where}: got {len(cells)} cells, expected {len(header)} as in the header"
                    )
                cell = {name: cells[index].strip() for name, index in position.items()}
                if not cell[score]:
                    without_score.append(number)
                    continue
                if group and not cell[group]:
                    without_group.append(number)
                    continue
                row = Row(
                    number=number,
                    id=cell[image_column],
                    score=_score(where, score, cell[score]),
                    group=cell[group] if group else "",
                    split=_split(where, split, cell[split]) if split else "train",
                )
                try:
                    name = check_name(row.id)
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from error
                if name in seen:
                    raise ValueError(
                        f"{where}: got picture {row.id!r} twice, expected once; first in row {seen[name]}"
                    )
                seen[name] = number
                rows.append(row)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, after row {number}: not a CSV: {error}") from error
    total = len(rows) + len(without_score) + len(without_group)
    return Table(tuple(rows), total, tuple(without_score), tuple(without_group))


class Comparable:
    """Sees scores go by and knows if two can be compared: one split, one group, different scores."""

    def __init__(self):
        self._first: dict[tuple[str, str], float] = {}
        self._splits: dict[str, bool] = {}

    def add(self, row: Row) -> None:
        """Takes one kept picture into account."""
        first = self._first.setdefault((row.split, row.group), row.score)
        self._splits[row.split] = self._splits.get(row.split, False) or first != row.score

    def check(self, splits: Iterable[str]) -> None:
        """Raises ValueError if one of `splits` has no two comparable pictures among those added."""
        for split in splits:
            if not self._splits.get(split):
                raise ValueError(
                    f"split {split!r}: got fewer than two comparable pictures, "
                    "expected at least two of one group with different scores"
                )


def _column(path: Path, header: list[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise ValueError(f"{path}: column {name!r} is there {header.count(name)} times, expected once")
    nearest = difflib.get_close_matches(name, header, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"{path}: got column {name!r}, expected one of {', '.join(header) or '(the file is empty)'}{hint}"
    )


def _score(where: str, column: str, text: str) -> float:
    try:
        # Python reads 1_000 as a number; nobody's table means that.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    # As it will be stored: TFDS keeps 32 bits, in which close numbers become equal and huge ones infinite.
    with np.errstate(over="ignore"):
        value = float(np.float32(value))
    if not math.isfinite(value):
        raise ValueError(f"{where}: {column} is {text!r}, expected a finite number (of 32 bits)")
    return value


def _split(where: str, column: str, text: str) -> str:
    if text not in SPLITS:
        raise ValueError(f"{where}: {column} is {text!r}, expected one of {', '.join(SPLITS)}")
    return text
