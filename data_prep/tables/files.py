"""Open a table, whatever it is: delimited text, a workbook, JSON lines or Parquet, told by content."""

import dataclasses
import difflib
import itertools
import string
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.tables import delimited, json_lines, workbooks
from lena_jax.runtime import file_kinds

_ROWS_AT_ONCE = 4096
_NONE = "\0"
_ENDINGS = ("CSV", "Excel workbook", "JSON lines", "Parquet")


@dataclasses.dataclass(frozen=True)
class OpenTable:
    """A table whose kind and header are known.

    Attributes:
        kind: what was found, such as "CSV with ';' between values, cp1252".
        plain: whether `kind` says nothing of interest: a CSV with commas in UTF-8, or Parquet.
        delimiter: what stands between the values of delimited text; empty for other kinds.
        rows: yields the number of each row and its values in the wanted columns, once. A value is text without spaces
            around it, or a number, a truth value or a time if the file has such; a missing one is an empty text.
    """

    kind: str
    plain: bool
    delimiter: str
    rows: Iterator[tuple[int, dict[str, Any]]]


def open_table(path: Path, columns: Iterable[str]) -> OpenTable:
    """Find out what a file is and where its header is.

    Delimited text may have `,` `;` tab or `|` between values, a line `sep=;`, blank lines or titles above its header,
    and any usual encoding. Of a workbook, the longest sheet with the columns is read. Rows are numbered as spreadsheets
    number them, so a header in the first line is row 1; in JSON lines and Parquet the first row is row 1.

    Args:
        path: the file.
        columns: the columns to read.

    Raises:
        ValueError: no such file, not a table, or a column that is missing or there twice. While rows are read: a row
            that does not fit the header, or damage.
    """
    check_there(path := Path(path))
    columns = list(dict.fromkeys(columns))
    with path.open("rb") as file:
        head = file.read(file_kinds.HEAD)
    kind = file_kinds.name_of(head)
    if kind == "a Parquet file":
        return OpenTable("Parquet", True, "", _parquet(path, columns))
    if kind in ("a ZIP archive", "an old Microsoft Office file"):
        found, rows = workbooks.open_sheet(path, columns, kind, find_column)
        return OpenTable(found, False, "", rows)
    if kind == "an empty file":
        raise ValueError(f"{path} is an empty file, expected a table")
    if kind is not None:
        raise ValueError(f"{path} is {kind}, expected a table: save it as one of {', '.join(_ENDINGS)}")
    text = delimited.Text(path)
    if text.start() in "{[" and text.start():
        return OpenTable("JSON", False, "", json_lines.rows(path, text, columns, find_column))
    return _delimited(path, text, columns)


@dataclasses.dataclass(frozen=True)
class Top:
    """A table's columns and its first rows.

    Attributes:
        names: names of the columns; those that are empty or there twice are left out.
        rows: their values, a row each.
        numbers: the number of each row.
        delimiter: see `OpenTable`.
    """

    names: list[str]
    rows: list[dict[str, Any]]
    numbers: list[int]
    delimiter: str

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        return [row[name] for row in self.rows]


def top(path: Path, rows: int | None = 1000) -> Top:
    """Return the columns of a table, where none is asked for, and its first rows.

    The header is the first row that is as wide as most rows.

    Args:
        path: the file, see `open_table`.
        rows: how many rows to return; None for all.

    Raises:
        ValueError: see `open_table`.
    """
    cells = header(path)
    names = [one for one in cells if one and cells.count(one) == 1]
    found = open_table(path, names)
    numbered = list(itertools.islice(found.rows, rows))
    return Top(names, [values for _, values in numbered], [number for number, _ in numbered], found.delimiter)


def header(path: Path) -> list[str]:
    """Return the cells of a table's header, see `top`; empty ones and those that are there twice, too.

    Raises:
        ValueError: see `open_table`.
    """
    check_there(path := Path(path))
    with path.open("rb") as file:
        is_text = file_kinds.name_of(file.read(file_kinds.HEAD)) is None
    if is_text and (text := delimited.Text(path)).start() not in ("{", "["):
        return delimited.likely_header(text, workbooks.HEADER_ROWS).header
    # No column has this name; the error knows those that are there.
    try:
        next(open_table(path, [_NONE]).rows, None)
    except _NoColumn as error:
        return error.header
    return []


def check_there(path: Path) -> None:
    """Check that a table is a file; the message of the ValueError names what could be meant."""
    if path.is_file():
        return
    if path.is_dir():
        raise ValueError(f"no such table: {path} is a folder, expected a {', '.join(_ENDINGS)} file")
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    folded = {name.casefold(): name for name in beside}
    near = difflib.get_close_matches(path.name.casefold(), list(folded)[:5000], n=1)
    hint = f"; did you mean {str(path.with_name(folded[near[0]]))!r}?" if near and not path.exists() else ""
    what = "no such table" if not path.exists() else "not a plain file"
    raise ValueError(f"{what}: {path}, expected a {', '.join(_ENDINGS)} file{hint}")


class _NoColumn(ValueError):
    """A column is missing; `header` has the columns that are there."""

    def __init__(self, message, header):
        super().__init__(message)
        self.header = header


def find_column(path: Path, header: Sequence[str], name: str) -> int:
    """Return the place of the column `name`.

    Raises:
        ValueError: it is missing, or there twice.
    """
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise ValueError(f"{path}: column {name!r} is there {header.count(name)} times, expected once")
    folded = {one.casefold(): one for one in reversed(header)}
    nearest = [folded[name.casefold()]] if name.casefold() in folded else difflib.get_close_matches(name, header, n=1)
    nearest = nearest or _by_place(header, name)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    known = ", ".join(one for one in header[:100] if one) or "(none)"
    raise _NoColumn(f"{path}: got column {name!r}, expected one of {known}{hint}", list(header))


def _by_place(header, name):
    """Return the column that a number (2) or a spreadsheet's letter (B) means, in a list; else an empty list."""
    place = int(name) - 1 if name.isdecimal() and len(name) < 6 else string.ascii_uppercase.find(name)
    return [header[place]] if name and 0 <= place < len(header) and len(name) < 6 and header[place] else []


def _delimited(path, text, columns):
    found = delimited.find_header(text, columns, workbooks.HEADER_ROWS)
    for name in columns:
        find_column(path, found.header, name)
    plain = found.delimiter == "," and found.number == 1 and text.encoding == "UTF-8"
    kind = f"CSV with {delimited.NAMES.get(found.delimiter, repr(found.delimiter))} between values, {text.encoding}"
    kind += f", header in row {found.number}" * (found.number > 1)
    return OpenTable(kind, plain, found.delimiter, delimited.rows(path, text, found, columns))


def _parquet(path, columns):
    # Imported here because a CSV does not need it.
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(f"{path}: reading Parquet needs pyarrow: pip install 'lena-jax[parquet]'") from error

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            for name in columns:
                find_column(path, header, name)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                by_column = [batch.column(name).to_pylist() for name in columns]
                for values in zip(*by_column, strict=True):
                    number += 1
                    yield number, {name: _stored(value) for name, value in zip(columns, values, strict=True)}
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}, after row {number}: not a readable Parquet file: {error}") from error


def _stored(value):
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    return value.strip() if isinstance(value, str) else value
