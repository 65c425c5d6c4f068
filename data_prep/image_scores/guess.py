"""Guess which table belongs to a folder of pictures, and which of its columns name the pictures and score them."""

import dataclasses
import os
import re
import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.picture_names import PictureNames
from data_prep.tables import files, number_units, numbers

_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet", ".jsonl", ".json")
# Columns that people rank by, the likelier first; matched as whole words of the column's name.
_SCORES = (
    "score likes like rating ratings rate stars mos shares reposts retweets upvotes votes favorites favourites saves "
    "engagement sales sold revenue downloads clicks ctr comments reactions hearts views impressions popularity"
).split()
# The same in other languages. Those that are written without spaces are parts of the column's name.
_ELSEWHERE = {
    "likes": "gef\u00e4llt aime aiment gusta piace curtidas gostos polubienia be\u011feni "
    "\u043d\u0440\u0430\u0432\u0438\u0442\u0441\u044f \u043b\u0430\u0439\u043a\u0438 "
    "\u3044\u3044\u306d \u70b9\u8d5e \u8d5e \u8b9a \uc88b\uc544\uc694",
    "rating": "bewertung wertung note valoraci\u00f3n calificaci\u00f3n voto beoordeling ocena "
    "\u043e\u0446\u0435\u043d\u043a\u0430 \u8a55\u4fa1 \u8bc4\u5206",
    "stars": "sterne \u00e9toiles estrellas stelle sterren \u661f",
    "sales": "umsatz verk\u00e4ufe ventes ventas vendite vendas verkoop",
    "clicks": "klicks clics clic cliques",
    "comments": "kommentare commentaires comentarios commenti \u30b3\u30e1\u30f3\u30c8",
    "views": "aufrufe ansichten vues vistas visualizzazioni visualiza\u00e7\u00f5es reichweite "
    "\u043f\u0440\u043e\u0441\u043c\u043e\u0442\u0440\u044b \u518d\u751f",
}
_RANKS = {word: rank for rank, word in enumerate(_SCORES)}
_RANKS |= {word: _RANKS[name] for name, words in _ELSEWHERE.items() for word in words.split()}
_OF_RATINGS = {_RANKS[word] for word in ("rating", "ratings", "mos", "score")}
_WITHOUT_SPACES = tuple(word for word in _RANKS if ord(word[0]) > 0x3000)
# Of these rows, so many must name a picture, or hold a number.
MOST = 0.5
_UNITS = "numbers with a unit"


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
    tables = [path for path in found.values() if path.suffix.lower() != ".txt"]
    # What is wrong with the only one is said when its columns are looked for.
    if len(fit or tables) == 1:
        return (fit or tables)[0]
    if fit:
        raise ValueError(
            f"found {len(fit)} tables with names of files in {folder}, expected one: choose with "
            + " or ".join(f"--table={shlex.quote(str(path))}" for path in fit[:5])
        )
    seen = ", ".join(str(path) for path in tables[:5])
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
        table = files.top(path)
    except (ValueError, OSError):
        return False
    known = PictureNames(folder)
    if any(share_of_files(table.column(name), known) >= MOST for name in table.names):
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
    table = files.top(path)
    if len(table.rows) < 2:
        raise ValueError(
            f"{path}: got {len(table.rows)} rows below the header, expected a row for each of two or more pictures"
        )
    for given in (image, score, *others):
        if given is not None:
            files.find_column(path, files.header(path), given)
    for given in others:
        if given in (image, score):
            raise ValueError(f"{path}: got column {given!r} for two things, expected another one")
    names, values = table.names, {name: table.column(name) for name in table.names}
    known = PictureNames(folder)
    if first := [name for name in names if not name.isdecimal() and known.find(name)]:
        raise ValueError(
            f"{path}: its first row names a picture, {first[0]!r}, expected a header: put a row with names of the "
            "columns above it, such as file,likes"
        )
    if image is None:
        image = _pictures_column(values, known) or _column_of_folder(path, known)
        if image is None:
            raise ValueError(_no_pictures(path, folder, values, known) + _twice(path))
    elif not share_of_files(values[image], known) and image not in _shares_of_folder(path, known):
        raise ValueError(
            f"{path}: got --image_column={image}, of which no value is a file in {folder}, such as "
            f"{str(values[image][0])!r}; expected a column of names, one of: {', '.join(names)}"
        )
    rest: list[str] = []
    if score is None:
        score, rest = _score_column(path, table, [name for name in names if name != image and name not in others])
    said = f"pictures: column {image!r}; score: column {score!r}"
    return Guess(image, score, said + (f" (not {', '.join(rest)}; choose with --score)" if rest else ""))


def _score_column(path: Path, table: files.Top, free: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column of scores among those that are free, and the other columns of numbers."""
    kinds = {name: _kind(path, name, table) for name in free}
    ranks = {name: rank for name in free if (rank := _rank(name)) is not None}
    numeric = [name for name in free if kinds[name] == "numbers" or (kinds[name] == _UNITS and name in ranks)]
    # What is the only column of numbers, or is called so, is a score even if it looks like a counter of rows.
    numeric = numeric or [name for name in free if kinds[name] and (name in ranks or len(free) == 1)]
    ranked = sorted((ranks[name], name) for name in numeric if name in ranks)
    least = ranked[0][0] if ranked else len(_SCORES)
    # A column that is called a score, with numbers of which some cannot be read, is not silently passed over.
    likelier = [name for name in free if not kinds[name] and ranks.get(name, least) < least]
    for name in sorted(likelier, key=ranks.__getitem__):
        if not numeric or _digits(table.column(name)) >= MOST:
            _understand(path, name, table)
    if len(numeric) == 1:
        score = numeric[0]
    elif ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]):
        score = ranked[0][1]
    else:
        if not numeric and len(free) == 1:
            _understand(path, free[0], table)
        left = ", ".join(name + (f" ({kinds[name]})" if kinds[name] else " (no numbers)") for name in free)
        raise ValueError(
            f"{path}: got no --score, expected the column to rank by; columns of numbers: "
            + (f"{', '.join(numeric)}. Choose with --score={shlex.quote(numeric[0])}" if numeric else "none")
            + ("" if numeric or not left else f"; others: {left}")
            + _twice(path)
        )
    return score, [name for name in numeric if name != score]


def _understand(path, name, table):
    """Read a column as scores, which raises what is wrong with them."""
    found = numbers.understand(path, name, table.numbers, table.column(name), (), table.delimiter)
    numbers.check_no_times(path, name, found.values)


def _digits(values):
    """Return which share of the values that are there begins with a digit, after a sign or the like."""
    there = [str(value) for value in values if not numbers.is_missing(value)]
    return sum(bool(re.match(r"\W{0,3}\d", text)) for text in there) / max(1, len(there))


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
    table = files.top(path, None)
    pictures = set(known.without([]))
    shares = {}
    for name in table.names:
        named = {value for value in table.column(name) if isinstance(value, str)}
        shares[name] = len(pictures & named) / max(1, len(pictures))
    return {name: share for name, share in shares.items() if share}


def _no_pictures(path, folder, values, known):
    """Say why no column names pictures, with an example of both."""
    there = known.without([])
    if not there:
        if not os.access(folder, os.R_OK | os.X_OK):
            return f"{folder}: there is no permission to open it: change its permissions, or copy the pictures"
        return (
            f"{folder} has no pictures that can be read, expected a folder of .jpg, .png, .heic and the like; it has "
            f"{known.kinds() or 'no files'}: export or convert them as JPEG"
        )
    shares = {name: share_of_files(column, known) for name, column in values.items()}
    best = max(shares, key=lambda name: shares[name])
    some = f"; most are in {best!r}, {shares[best]:.0%}" if shares[best] else ""
    example = f"{best!r} has {str(values[best][0])!r}, the folder has {there[0]!r}"
    return (
        f"{path}: no column names files in {folder}{some} ({example}). Columns: {', '.join(values)}. Say which with "
        "--image_column=COLUMN, check the folder, or name another table with --table=FILE"
    )


def _twice(path):
    """Say which columns were passed over because two have the same name; nothing if there are none."""
    header = files.header(path)
    twice = list(dict.fromkeys(name for name in header if name and header.count(name) > 1))
    return f". Passed over, as two columns have this name: {', '.join(twice)}; rename one" if twice else ""


def _kind(path: Path, name: str, table: files.Top) -> str:
    """Return what a column holds: "numbers", `_UNITS`, "a constant", "a counter of rows"; nothing if no numbers."""
    values = table.column(name)
    there = [value for value in values if not numbers.is_missing(value)]
    if len(there) < MOST * len(values):
        return ""
    rows = range(len(there))
    try:
        found = numbers.understand(path, name, rows, there, (), table.delimiter).values
        numbers.check_no_times(path, name, found)
    except ValueError:
        return ""
    if len(set(found)) < 2:
        return "a constant"
    if number_units.without_units(path, name, rows, there, rows)[1]:
        return _UNITS
    steps = {round(b - a, 9) for a, b in zip(found, found[1:], strict=False)}
    return "a counter of rows" if steps == {1.0} and len(there) > 2 else "numbers"


def _rank(name: str) -> int | None:
    text = unicodedata.normalize("NFC", name).casefold()
    words = re.findall(r"[^\W_]+", text)
    # How often a picture was rated is not how well.
    counts = {"num", "n", "count", "number", "sd", "std", "anzahl", "nombre"}
    if set(words) & counts and any(_RANKS.get(word) in _OF_RATINGS for word in words):
        return None
    places = [_RANKS[word] for word in words if word in _RANKS]
    places += [_RANKS[word] for word in _WITHOUT_SPACES if word in text]
    return min(places) if places else None
