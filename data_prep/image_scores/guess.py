"""Guess which table belongs to a folder of pictures, and which of its columns name the pictures and score them."""

import dataclasses
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.image_scores.command import clean_name
from data_prep.picture_names import PictureNames
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
    """Find the table of a folder of pictures: the only one in it, or beside it, whose names are files in it.

    Raises:
        ValueError: there is none, or more than one; the message names them.
    """
    places = dict.fromkeys((folder, folder.resolve().parent, Path()))
    found = {path.resolve(): path for place in places for path in _tables(place)}
    fit = [path for path in found.values() if _fits(path, folder)]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise ValueError(
            f"found {len(fit)} tables with names of files in {folder}, expected one: choose with "
            + " or ".join(f"--table={shlex.quote(str(path))}" for path in fit[:5])
        )
    seen = ", ".join(str(path) for path in list(found.values())[:5])
    others = f"none of the tables there names files in it ({seen})" if seen else "found none there"
    raise ValueError(
        f"got no --table, and looked for one in {folder}, beside it and in this folder: {others}. Name it with "
        "--table=FILE: a table (CSV, Excel) with a row for each picture, and columns such as file and likes. Without "
        f"likes, choose between pictures: lena-jax judge {shlex.quote(str(folder))} -o choices.csv"
    )


def _tables(place):
    try:
        names = sorted(place.iterdir())
    except OSError:
        return []
    # "~$" begins the name of the lock that Excel puts beside an open workbook.
    return [path for path in names if path.suffix.lower() in _TABLES and not path.name.startswith((".", "~$"))]


def _fits(path, folder):
    try:
        names, rows = files.column_names(path)
    except (ValueError, OSError):
        return False
    known = PictureNames(folder)
    if any(share_of_files([row[name] for row in rows], known) >= MOST for name in names):
        return True
    return _column_of_folder(path, known) is not None


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
    known = PictureNames(folder)
    if image is None:
        image = _pictures_column(values, known) or _column_of_folder(path, known)
        if image is None:
            raise ValueError(_no_pictures(path, folder, values, known))
    elif not share_of_files(values[image], known) and image not in _shares_of_folder(path, known):
        raise ValueError(
            f"{path}: got --image_column={image}, of which no value is a file in {folder}, such as "
            f"{str(values[image][0])!r}; expected a column of names, one of: {', '.join(names)}"
        )
    rest: list[str] = []
    if score is None:
        free = [name for name in names if name != image and name not in others]
        kinds = {name: _kind(path, name, values[name]) for name in free}
        numeric = [name for name in free if kinds[name] == "numbers"]
        # What is the only column of numbers, or is called so, is a score even if it looks like a counter of rows.
        numeric = numeric or [name for name in free if kinds[name] and (_rank(name) is not None or len(free) == 1)]
        ranked = sorted((rank, name) for name in numeric if (rank := _rank(name)) is not None)
        if len(numeric) == 1:
            score = numeric[0]
        elif ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]):
            score = ranked[0][1]
        else:
            left = ", ".join(name + (f" ({kinds[name]})" if kinds[name] else " (no numbers)") for name in free)
            raise ValueError(
                f"{path}: got no --score, expected the column to rank by; columns of numbers: "
                + (f"{', '.join(numeric)}. Choose with --score={shlex.quote(numeric[0])}" if numeric else "none")
                + ("" if numeric or not left else f"; others: {left}")
            )
        rest = [name for name in numeric if name != score]
    said = f"pictures: column {image!r}; score: column {score!r}"
    return Guess(image, score, said + (f" (not {', '.join(rest)}; choose with --score)" if rest else ""))


def share_of_files(values: Sequence[Any], known: PictureNames, exact: bool = False) -> float:
    """Return which share of a column's texts, of the first 200, means files in the folder; 0 without texts.

    Args:
        values: the values of the column.
        known: the names of the folder's files.
        exact: count only texts that are paths of files as they stand.
    """
    texts = [value for value in values if isinstance(value, str) and value][:200]
    means = known.is_exact if exact else known.find
    return sum(bool(means(text)) for text in texts) / max(1, len(texts))


def _pictures_column(values, known):
    """Return the column of pictures: that of most paths as they stand, else of most names in any spelling; or None."""
    for exact in (True, False):
        shares = {name: share_of_files(column, known, exact) for name, column in values.items()}
        best = max(shares, key=lambda name: shares[name], default=None)
        if best is not None and shares[best] >= MOST:
            return best
    return None


def _column_of_folder(path, known):
    """Return the column that names most of the folder's pictures, in a table of maybe many more; else None."""
    shares = _shares_of_folder(path, known)
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= MOST else None


def _shares_of_folder(path, known):
    """Return which share of the folder's pictures each column names, as they stand; only columns that name any."""
    names, rows = files.column_names(path, None)
    pictures = set(known.without([]))
    shares = {}
    for name in names:
        named = {row[name] for row in rows if isinstance(row[name], str)}
        shares[name] = len(pictures & named) / max(1, len(pictures))
    return {name: share for name, share in shares.items() if share}


def _no_pictures(path, folder, values, known):
    """Say why no column names pictures, with an example of both."""
    there = known.without([])
    if not there:
        return f"{folder} has no pictures that can be read, expected a folder of .jpg, .png, .heic and the like" + (
            "" if os.access(folder, os.R_OK | os.X_OK) else ": there is no permission to open it"
        )
    shares = {name: share_of_files(column, known) for name, column in values.items()}
    best = max(shares, key=lambda name: shares[name])
    some = f"; most are in {best!r}, {shares[best]:.0%}" if shares[best] else ""
    example = f"{best!r} has {str(values[best][0])!r}, the folder has {there[0]!r}"
    return (
        f"{path}: no column names files in {folder}{some} ({example}). Columns: {', '.join(values)}. Say which with "
        "--image_column=COLUMN, and check the folder"
    )


def _kind(path: Path, name: str, values: Sequence[Any]) -> str:
    """Return what a column holds: "numbers", "a constant", "a counter of rows", or nothing if it has no numbers."""
    there = [value for value in values if not numbers.is_missing(value)]
    if len(there) < MOST * len(values):
        return ""
    try:
        found = numbers.understand(path, name, list(range(len(there))), there, (), "")
        numbers.check_no_times(path, name, found.values)
    except ValueError:
        return ""
    if len(set(found.values)) < 2:
        return "a constant"
    steps = {round(b - a, 9) for a, b in zip(found.values, found.values[1:], strict=False)}
    return "a counter of rows" if steps == {1.0} and len(there) > 2 else "numbers"


def _rank(name: str) -> int | None:
    words = clean_name(name).split("_")
    # How often a picture was rated is not how well.
    if set(words) & {"num", "n", "count", "number", "sd", "std"} and set(words) & {"rating", "ratings", "mos", "score"}:
        return None
    places = [_SCORES.index(word) for word in words if word in _SCORES]
    return min(places) if places else None
