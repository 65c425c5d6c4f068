"""Guess which table belongs to a folder of pictures, and which of its columns name the pictures and score them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.image_scores.command import clean_name
from data_prep.tables import files, numbers

_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".parquet", ".jsonl", ".json")
# Columns that people rank by, the likelier first; matched as whole words of the column's name.
_SCORES = (
    "score likes like rating ratings rate stars mos shares reposts retweets upvotes votes favorites favourites saves "
    "engagement sales sold revenue downloads clicks ctr comments reactions hearts views impressions popularity"
).split()
# Of these rows, so many must name a picture, or hold a number.
MOST = 0.5


@dataclasses.dataclass(frozen=True)
class Guess:
    """What was found.

    Attributes:
        image: the column of pictures.
        score: the column of scores.
        said: one line on what was taken for what, and what else it could have been.
    """

    image: str
    score: str
    said: str


def table_of(folder: Path) -> Path:
    """Find the table of a folder of pictures: the only one in it, or beside it with the folder's name.

    Raises:
        ValueError: there is none, or more than one.
    """
    beside = [folder.parent / f"{folder.name}{ending}" for ending in _TABLES]
    found = [path for path in beside if path.is_file()]
    found += sorted(
        path for path in folder.iterdir() if path.suffix.lower() in _TABLES and not path.name.startswith(".")
    )
    if len(found) != 1:
        names = ", ".join(str(path) for path in found[:5]) or "none"
        raise ValueError(
            f"got no --table, and looked for one in {folder} and beside it: found {names}, expected exactly one. Say "
            "which with --table=FILE"
        )
    return found[0]


def columns(
    path: Path, folder: Path, image: str | None = None, score: str | None = None, others: Sequence[str] = ()
) -> Guess:
    """Guess the columns that are not given.

    The pictures are in the column of which most values are files in the folder. The scores are in the only column of
    numbers, or in the one whose name is likeliest for what people rank by (likes, rating, sales, ...).

    Args:
        path: the table, see `files.open_table`.
        folder: the folder of pictures.
        image: the column of pictures, if it is known.
        score: the column of scores, if it is known.
        others: columns that are used for something else: they must be there, and are not the score.

    Raises:
        ValueError: a column is missing or used twice, no column names pictures, no column or several could be the
            score, or there are fewer than two rows.
    """
    names, rows = files.column_names(path)
    if len(rows) < 2:
        raise ValueError(
            f"{path}: got {len(rows)} rows below the header, expected a row for each of two or more pictures"
        )
    for given in (image, score, *others):
        if given is not None:
            files.find_column(path, names, given)
    for given in others:
        if given in (image, score):
            raise ValueError(f"{path}: got column {given!r} for two things, expected another one")
    values = {name: [row[name] for row in rows] for name in names}
    if image is None:
        shares = {name: share_of_files(values[name], folder) for name in names}
        image = max(shares, key=lambda name: shares[name], default=None)
        if image is None or shares[image] < MOST:
            best = f"; most are in {image!r}, {shares[image]:.0%}" if image and shares[image] else ""
            raise ValueError(
                f"{path}: no column names files in {folder} (paths relative to it){best}. Columns: {', '.join(names)}. "
                "Say which with --image_column=COLUMN, and check the folder"
            )
    rest: list[str] = []
    if score is None:
        free = [name for name in names if name != image and name not in others]
        numeric = [name for name in free if _is_numeric(path, name, values[name])]
        ranked = sorted((rank, name) for name in numeric if (rank := _rank(name)) is not None)
        if len(numeric) == 1:
            score = numeric[0]
        elif ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]):
            score = ranked[0][1]
        else:
            raise ValueError(
                f"{path}: got no --score, expected the column to rank by; columns of numbers: "
                f"{', '.join(numeric) or 'none'}"
            )
        rest = [name for name in numeric if name != score]
    said = f"pictures: column {image!r}; score: column {score!r}"
    return Guess(image, score, said + (f" (not {', '.join(rest)}; choose with --score)" if rest else ""))


def share_of_files(values: Sequence[Any], folder: Path) -> float:
    """Return which share of a column's texts, of the first 200, names files in the folder; 0 without texts."""
    texts = [value for value in values if isinstance(value, str) and value]
    return sum(_is_file(folder, text) for text in texts[:200]) / max(1, len(texts[:200])) if texts else 0.0


def _is_file(folder: Path, text: str) -> bool:
    try:
        return not Path(text).is_absolute() and (folder / text).is_file()
    except (OSError, ValueError):  # Too long, or with a zero byte.
        return False


def _is_numeric(path: Path, name: str, values: Sequence[Any]) -> bool:
    there = [value for value in values if not numbers.is_missing(value)]
    if len(there) < MOST * len(values):
        return False
    try:
        found = numbers.understand(path, name, list(range(len(there))), there, (), "")
        numbers.check_no_times(path, name, found.values)
    except ValueError:
        return False
    # A constant, or a counter of rows, ranks nothing.
    steps = {round(b - a, 9) for a, b in zip(found.values, found.values[1:], strict=False)}
    return len(set(found.values)) > 1 and (steps != {1.0} or len(there) < 3)


def _rank(name: str) -> int | None:
    words = clean_name(name).split("_")
    # How often a picture was rated is not how well.
    if set(words) & {"num", "n", "count", "number", "sd", "std"} and set(words) & {"rating", "ratings", "mos", "score"}:
        return None
    places = [_SCORES.index(word) for word in words if word in _SCORES]
    return min(places) if places else None
