"""Open a table, whatever it is: delimited text, a workbook, JSON lines or Parquet, told by content."""

import dataclasses
import difflib
import itertools
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.tables import delimited, json_lines
from lena_jax.runtime import file_kinds

_ROWS_AT_ONCE = 4096
# The header is looked for in so many first rows.
HEADER_ROWS = 50
# A workbook is unpacked in memory.
_MAX_WORKBOOK_BYTES = 1 << 30
# A workbook with such a name was renamed, or saved under the wrong name.
_OF_TEXT = (".csv", ".tsv", ".txt")
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
    and any usual encoding. Of a workbook, the first sheet with the columns is read. Rows are numbered as a spreadsheet
    numbers them, so a header in the first line is row 1; in JSON lines and Parquet the first row is row 1.

    Args:
        path: the file.
        columns: the columns to read.

    Raises:
        ValueError: no such file, not a table, or a column that is missing or there twice. While rows are read: a row
            that does not fit the header, or damage.
    """
    _check_there(path := Path(path))
    columns = list(dict.fromkeys(columns))
    with path.open("rb") as file:
        head = file.read(file_kinds.HEAD)
    kind = file_kinds.name_of(head)
    if kind == "a Parquet file":
        return OpenTable("Parquet", True, "", _parquet(path, columns))
    if kind in ("a ZIP archive", "an old Microsoft Office file"):
        return _workbook(path, columns, kind)
    if kind == "an empty file":
        raise ValueError(f"{path} is an empty file, expected a table")
    if kind is not None:
        raise ValueError(f"{path} is {kind}, expected a table: save it as one of {', '.join(_ENDINGS)}")
    text = delimited.Text(path)
    if text.start() in "{[" and text.start():
        return OpenTable("JSON", False, "", json_lines.rows(path, text, columns, find_column))
    return _delimited(path, text, columns)


def column_names(path: Path, rows: int | None = 1000) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of a table's columns, where none is asked for, and its first rows.

    The header is the first row that is as wide as most rows. Names that are empty or there twice are left out.

    Args:
        path: the file, see `open_table`.
        rows: how many rows to return; None for all.

    Raises:
        ValueError: see `open_table`.
    """
    header: list[str] = []
    _check_there(path := Path(path))
    with path.open("rb") as file:
        is_text = file_kinds.name_of(file.read(file_kinds.HEAD)) is None
    if is_text and (text := delimited.Text(path)).start() not in ("{", "["):
        header = delimited.likely_header(text, HEADER_ROWS).header
    else:
        # No column has this name; the error knows those that are there.
        try:
            next(open_table(path, [_NONE]).rows, None)
        except _NoColumn as error:
            header = error.header
    names = [one for one in header if one and header.count(one) == 1]
    found = open_table(path, names)
    return names, [values for _, values in itertools.islice(found.rows, rows)]


def _check_there(path: Path) -> None:
    if path.is_file():
        return
    if path.is_dir():
        raise ValueError(f"no such table: {path} is a folder, expected a {', '.join(_ENDINGS)} file")
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    folded = {name.casefold(): name for name in beside}
    near = difflib.get_close_matches(path.name.casefold(), list(folded)[:5000], n=1)
    hint = f"; did you mean {str(path.with_name(folded[near[0]]))!r}?" if near else ""
    raise ValueError(f"no such table: {path}, expected a {', '.join(_ENDINGS)} file{hint}")


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
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    known = ", ".join(one for one in header[:100] if one) or "(none)"
    raise _NoColumn(f"{path}: got column {name!r}, expected one of {known}{hint}", list(header))


def _delimited(path, text, columns):
    found = delimited.find_header(text, columns, HEADER_ROWS)
    for name in columns:
        find_column(path, found.header, name)
    plain = found.delimiter == "," and found.number == 1 and text.encoding == "UTF-8"
    kind = f"CSV with {delimited.NAMES.get(found.delimiter, repr(found.delimiter))} between values, {text.encoding}"
    kind += f", header in row {found.number}" * (found.number > 1)
    return OpenTable(kind, plain, found.delimiter, delimited.rows(path, text, found, columns))


def _workbook(path, columns, kind):
    # Imported here because a CSV does not need it.
    import python_calamine

    if kind == "a ZIP archive":
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                size = sum(one.file_size for one in archive.infolist())
        # A damaged archive may also say that it is of a later version, or point beyond its end.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, OverflowError) as error:
            raise ValueError(f"{path} is a damaged workbook or ZIP archive: {error}") from error
        if size > _MAX_WORKBOOK_BYTES:
            raise ValueError(
                f"{path}: got a workbook of {size:,} bytes unpacked, expected at most {_MAX_WORKBOOK_BYTES:,}: "
                "save the sheet as CSV"
            )
        if any(name.endswith(".iwa") for name in names):
            raise ValueError(f"{path} is an Apple Numbers or Pages file, expected a table: export it as CSV or Excel")
        if not any(name.startswith("xl/") or name == "content.xml" for name in names):
            raise ValueError(f"{path} is a ZIP archive without a workbook, expected a table: unpack it")
    if path.suffix.lower() in _OF_TEXT:
        raise ValueError(
            f"{path} is an Excel workbook under a name of plain text: rename it to end in .xlsx (.xls, .ods), or save "
            "its sheet as CSV"
        )
    try:
        # A path would be told by its ending.
        with path.open("rb") as file:
            book = python_calamine.CalamineWorkbook.from_filelike(file)
        sheets = [(one, book.get_sheet_by_name(one)) for one in _tables_of(book)]
    # Calamine's errors are exceptions without a common kind; hostile files may raise others.
    except Exception as error:
        raise ValueError(
            f"{path}: a workbook that cannot be read ({error}): if it has a password, save it without; else save it as "
            "CSV"
        ) from error
    firsts = []
    for name, sheet in sheets:
        for number, cells in enumerate(itertools.islice(sheet.iter_rows(), HEADER_ROWS), start=1):
            header = [_cell(cell) for cell in cells]
            header = [one if isinstance(one, str) else str(one) for one in header]
            if set(columns) <= set(header):
                places = {column: find_column(path, header, column) for column in columns}
                found = f"workbook, sheet {name!r}" + f" of {len(sheets)}" * (len(sheets) > 1)
                found += f", header in row {number}" * (number > 1)
                return OpenTable(found, False, "", _sheet(sheet, number, places))
            if any(header):
                firsts.append(header)
    header = max(firsts, key=lambda one: (len(set(columns) & set(one)), sum(map(bool, one))), default=[])
    for column in columns:
        find_column(path, header, column)
    raise ValueError(f"{path}: no sheet has the columns {', '.join(columns)}")


def _tables_of(book):
    """Return the names of a workbook's sheets that hold cells: first those that are shown."""
    sheets = [one for one in book.sheets_metadata if "work" in str(one.typ).lower()]
    return [one.name for one in sorted(sheets, key=lambda one: not str(one.visible).endswith("Visible"))]


def _sheet(sheet, header, places):
    for number, cells in enumerate(itertools.islice(sheet.iter_rows(), header, None), start=header + 1):
        values = {column: _cell(cells[place]) for column, place in places.items()}
        if any(value != "" for value in values.values()) or any(cell != "" for cell in cells):
            yield number, values


def _cell(value):
    """Return a cell as text, or as the number or time that it is; spreadsheets store whole numbers as fractions."""
    if isinstance(value, str):
        return value.strip()
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


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
