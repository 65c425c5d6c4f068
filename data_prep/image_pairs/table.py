"""The table of `image_pairs`: which two pictures, and what people chose; every value checked."""

import collections
import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_prep import picture_names
from data_prep.image_pairs.columns import Columns
from data_prep.image_scores.table import SPLITS
from data_prep.picture_folder import check_name
from data_prep.tables import files, numbers

# What `lena-jax judge` writes beside left, right and tie.
SKIP, UNDO = "skip", "undo"
_TIES = ("tie", "draw", "equal", "both", "=")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row that says something about two pictures.

    Attributes:
        number: the row's number, see `files.open_table`.
        left: id of the left picture, its normalised path.
        right: id of the right picture.
        votes: votes for left and right, if the table has a winner or votes.
        label: chance in [0, 1] that left is better, if the table has that.
        clicks: (left clicks, left views, right clicks, right views), if the table has counts.
        group: group of both pictures, or empty.
        split: one of `SPLITS`.
        units: unit of the left and of the right picture, or empty.
        test: the test that the row is part of, or empty.
        judge: who chose, or empty.
        random: whether the pair was drawn at random; False if unknown.
    """

    number: int
    left: str
    right: str
    votes: tuple[float, float] | None = None
    label: float | None = None
    clicks: tuple[float, float, float, float] | None = None
    group: str = ""
    split: str = "train"
    units: tuple[str, str] = ("", "")
    test: str = ""
    judge: str = ""
    random: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """The content of a table of pairs.

    Attributes:
        rows: the usable rows, in the table's order.
        total: how many rows the table has.
        left_out: how many rows were left out, by reason.
        kind: what the file was found to be.
        said: what was found and is worth a line to the user.
    """

    rows: tuple[Row, ...]
    total: int
    left_out: dict[str, int]
    kind: str = ""
    said: tuple[str, ...] = ()


def read(path: Path, columns: Columns, find: Callable[[str], str | None] = lambda text: None) -> Table:
    """Read a table of pairs, or of variants of tests, from a file of any kind that `files.open_table` knows.

    Rows that say nothing are left out and counted: no winner or label, no votes at all, a skipped pair. A row "undo"
    takes back the last row of the same judge. With `columns.picture`, a row is a variant of the test
    `columns.test`, and all pairs of its variants become rows.

    Args:
        path: the file.
        columns: which column is what, see `columns.find`.
        find: returns the path of the picture that a text means, None for the text itself; see `PictureNames.find`.

    Raises:
        ValueError: an unreadable table, no rows, a picture paired with itself or with a path that leaves the folder, a
            winner that is neither side, a label outside [0, 1], negative votes, clicks above views, or an unknown
            split.
    """
    found = files.open_table(path, columns.names())
    numbered, values = [], {name: [] for name in columns.names()}
    for number, row in found.rows:
        numbered.append(number)
        for name in values:
            values[name].append(row[name])
    if not numbered:
        raise ValueError(f"{path} has a header and no rows, expected a row for each pair")
    said = [] if found.plain else [f"table: {found.kind}"]
    for name in columns.counted():
        known = numbers.understand(path, name, numbered, values[name], (), found.delimiter)
        values[name] = known.values
        said += known.said
    rows, left_out, changed = [], collections.Counter(), {}
    for index, number in enumerate(numbered):
        record = {name: column[index] for name, column in values.items()}
        _find_pictures(record, columns, find, changed)
        where = f"{path}, row {number}"
        row = _variant(where, number, record, columns) if columns.picture else _row(where, number, record, columns)
        if isinstance(row, str):
            left_out[row] += 1
            if row == UNDO and (last := _last_of(rows, _text(record, columns.judge))) is not None:
                del rows[last]
        else:
            rows.append(row)
    said += picture_names.said({text: name for text, name in changed.items() if text != name})
    skipped = [row for row in rows if row.votes == (0, 0)]
    if skipped:
        left_out[SKIP] = len(skipped)
        rows = [row for row in rows if row.votes != (0, 0)]
    if columns.picture:
        rows = list(_pairs_of(path, rows))
    if not rows:
        raise ValueError(f"{path}: none of the {len(numbered)} rows says which of two pictures is better")
    return Table(tuple(rows), len(numbered), dict(left_out), found.kind, tuple(said))


def _find_pictures(record, columns, find, known):
    """Replace the texts of a row that name pictures by the paths of their files; `known` has those found before."""
    sides = [name for name in (columns.picture, columns.left, columns.right, columns.winner) if name]
    texts = {name: _text(record, name) for name in sides}
    for name in sides:
        text = texts[name]
        # A winner is a side by its text: "left" is a word, not left.jpg.
        if text and (name != columns.winner or text in (texts.get(columns.left), texts.get(columns.right))):
            if text not in known:
                known[text] = find(text) or text
            record[name] = known[text]


def _last_of(rows, judge):
    return next((place for place in range(len(rows) - 1, -1, -1) if rows[place].judge == judge), None)


def _text(record, name):
    return str(record[name]).strip() if name else ""


def _row(where: str, number: int, record: dict, columns: Columns) -> Row | str:
    """Return what a row says, or why it says nothing."""
    winner = _text(record, columns.winner)
    if winner.casefold() == UNDO:
        return UNDO
    left, right = (_name(where, _text(record, name)) for name in (columns.left, columns.right))
    if left == right:
        raise ValueError(f"{where}: got picture {left!r} on both sides, expected two different ones")
    votes = label = clicks = None
    if columns.winner:
        # A skipped pair stays in the list until the end: an "undo" takes back the skip, not the row before.
        if winner not in (left, right) and numbers.is_missing(winner):
            return "winner"
        votes = _votes(where, columns.winner, winner, left, right)
    elif columns.label:
        label = record[columns.label]
        if math.isnan(label):
            return "label"
        if not 0 <= label <= 1:
            raise ValueError(
                f"{where}: {columns.label} is {label:g}, expected the chance in [0, 1] that left is better"
            )
    elif columns.votes:
        votes = tuple(record[name] for name in columns.votes)
        if any(math.isnan(one) for one in votes) or not sum(votes):
            return "votes"
        if min(votes) < 0:
            raise ValueError(f"{where}: got {votes[0]:g} and {votes[1]:g} votes, expected at least 0")
    else:
        clicks = tuple(record[name] for name in columns.clicks)
        if any(math.isnan(one) for one in clicks):
            return "clicks"
        _check_clicks(where, columns.clicks[:2], clicks[:2])
        _check_clicks(where, columns.clicks[2:], clicks[2:])
    row = Row(
        number,
        left,
        right,
        votes,
        label,
        clicks,
        sys.intern(_text(record, columns.group)),
        _split(where, columns, record),
        tuple(sys.intern(_text(record, name)) for name in columns.fold_by) if columns.fold_by else ("", ""),
        _text(record, columns.test),
        sys.intern(_text(record, columns.judge)),
        _text(record, columns.how) == "random",
    )
    return row


def _variant(where: str, number: int, record: dict, columns: Columns) -> Row | str:
    """Return a variant of a test as a row with one side."""
    clicks = tuple(record[name] for name in columns.clicks)
    test = _text(record, columns.test)
    if any(math.isnan(one) for one in clicks):
        return "clicks"
    if not test:
        return "test"
    _check_clicks(where, columns.clicks, clicks)
    unit = _text(record, columns.fold_by[0]) if columns.fold_by else ""
    return Row(
        number,
        _name(where, _text(record, columns.picture)),
        "",
        clicks=(*clicks, 0.0, 0.0),
        group=_text(record, columns.group),
        split=_split(where, columns, record),
        units=(unit, unit),
        test=test,
    )


def _pairs_of(path: Path, variants: Sequence[Row]) -> Iterable[Row]:
    """Yield all pairs of the variants of each test."""
    tests: dict[str, list[Row]] = {}
    for one in variants:
        tests.setdefault(one.test, []).append(one)
    for test, members in tests.items():
        for place, first in enumerate(members):
            for other in members[place + 1 :]:
                if first.left == other.left:
                    raise ValueError(f"{path}: test {test!r} has picture {first.left!r} twice, expected each once")
                if (first.split, first.group) != (other.split, other.group):
                    raise ValueError(f"{path}: test {test!r} is in two splits or groups, expected one")
                yield dataclasses.replace(
                    first,
                    right=other.left,
                    clicks=(*first.clicks[:2], *other.clicks[:2]),
                    units=(first.units[0], other.units[0]),
                )


def _name(where: str, name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _votes(where, column, winner, left, right):
    """Return the votes of one choice: a whole one, or two halves."""
    sides = {left: (1.0, 0.0), right: (0.0, 1.0)}
    if winner in sides:
        return sides[winner]
    word = winner.casefold()
    if word in ("left", "right"):
        return (1.0, 0.0) if word == "left" else (0.0, 1.0)
    if word in _TIES:
        return 0.5, 0.5
    if word == SKIP:
        return 0.0, 0.0
    raise ValueError(f"{where}: {column} is {winner!r}, expected left, right, tie, {left!r} or {right!r}")


def _check_clicks(where, names, values):
    if not 0 <= values[0] <= values[1]:
        raise ValueError(
            f"{where}: {names[0]} is {values[0]:g} and {names[1]} is {values[1]:g}, expected 0 <= clicks <= views"
        )


def _split(where, columns, record):
    text = _text(record, columns.split) if columns.split else "train"
    if text not in SPLITS:
        raise ValueError(f"{where}: {columns.split} is {text!r}, expected one of {', '.join(SPLITS)}")
    return SPLITS[SPLITS.index(text)]
