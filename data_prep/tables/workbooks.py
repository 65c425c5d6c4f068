"""Excel and OpenDocument workbooks: which sheet is the table, where its header is, and what its cells hold."""

import itertools
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# The header is looked for in so many first rows.
HEADER_ROWS = 50
# A workbook is unpacked in memory.
_MAX_BYTES = 1 << 30
# A workbook with such a name was renamed, or saved under the wrong name.
_OF_TEXT = (".csv", ".tsv", ".txt")
_CHUNK = 1 << 20
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*\shidden=\"(?:1|true)\"")
_ROW_BEGUN = re.compile(rb"<(?:\w+:)?row\b[^>]*\Z")


def open_sheet(
    path: Path, columns: Sequence[str], kind: str, find_column: Callable
) -> tuple[str, Iterator[tuple[int, dict[str, Any]]]]:
    """Find the sheet of a workbook that has the columns; of several, the longest of those that are shown.

    Args:
        path: the file.
        columns: the columns to read.
        kind: what it is by its first bytes, see `runtime.file_kinds`.
        find_column: raises a ValueError for a column that is missing.

    Returns:
        What was found, in words, and the rows: the number of each and its values in `columns`.

    Raises:
        ValueError: it is no workbook, is damaged or too large, or no sheet has the columns.
    """
    # Imported here because a CSV does not need it.
    import python_calamine

    _check(path, kind)
    try:
        # A path would be told by its ending.
        with path.open("rb") as file:
            book = python_calamine.CalamineWorkbook.from_filelike(file)
        sheets = [(one, book.get_sheet_by_name(one.name)) for one in _tables_of(book)]
    # Calamine's errors are exceptions without a common kind; hostile files may raise others.
    except Exception as error:
        raise ValueError(
            f"{path}: a workbook that cannot be read ({error}): if it has a password, save it without; else save it as "
            "CSV"
        ) from error
    fitting, others = [], []
    for about, sheet in sheets:
        size = (str(about.visible).endswith("Visible"), sheet.height)
        tops = [_texts(cells) for cells in itertools.islice(sheet.iter_rows(), HEADER_ROWS)]
        number = next((number for number, header in enumerate(tops, start=1) if set(columns) <= set(header)), None)
        if number is None:
            others.append((size, _likely_header(tops, columns)))
        else:
            fitting.append((size, about.name, sheet, number, tops[number - 1]))
    if not fitting:
        # The error names what is in the longest sheet.
        header = max(others, key=lambda one: (len(set(columns) & set(one[1])), one[0]), default=((), []))[1]
        for column in columns:
            find_column(path, header, column)
        raise ValueError(f"{path}: no sheet has the columns {', '.join(columns)}")
    _, name, sheet, number, header = max(fitting, key=lambda one: one[0])
    places = {column: find_column(path, header, column) for column in columns}
    found = f"workbook, sheet {name!r}" + f" of {len(sheets)}" * (len(sheets) > 1)
    found += f", header in row {number}" * (number > 1)
    if same := [one[1] for one in fitting if one[1] != name]:
        found += f"; it is the longest with these columns, {', '.join(map(repr, same[:5]))} not read"
    if hidden := _hidden_rows(path, list(book.sheet_names), name):
        found += f"; its {hidden:,} hidden rows are read as well"
    return found, _rows(sheet, number, places)


def _check(path, kind):
    if kind == "a ZIP archive":
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                size = sum(one.file_size for one in archive.infolist())
        # A damaged archive may also say that it is of a later version, or point beyond its end.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, OverflowError) as error:
            raise ValueError(f"{path} is a damaged workbook or ZIP archive: {error}") from error
        if size > _MAX_BYTES:
            raise ValueError(
                f"{path}: got a workbook of {size:,} bytes unpacked, expected at most {_MAX_BYTES:,}: save the sheet "
                "as CSV"
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


def _tables_of(book):
    """Return what is known of a workbook's sheets that hold cells."""
    return [one for one in book.sheets_metadata if "work" in str(one.typ).lower()]


def _texts(cells):
    return [one if isinstance(one := _cell(cell), str) else str(one) for cell in cells]


def _likely_header(tops, columns):
    """Return the row that looks most like a header: with most of the columns, else the first that is wide."""
    known = max(tops, key=lambda one: len(set(columns) & set(one)), default=[])
    if set(columns) & set(known):
        return known
    widths = [sum(map(bool, one)) for one in tops]
    # A column without a name makes the header narrower than the rows below it, and so does a title, but for more.
    least = max([*widths, 2])
    return next((one for one, width in zip(tops, widths, strict=True) if 2 * width > least), known)


def _rows(sheet, header, places):
    for number, cells in enumerate(itertools.islice(sheet.iter_rows(), header, None), start=header + 1):
        values = {column: _cell(cells[place]) for column, place in places.items()}
        if any(value != "" for value in values.values()) or any(cell != "" for cell in cells):
            yield number, values


def _cell(value):
    """Return a cell as text, or as the number or time that it is; spreadsheets store whole numbers as fractions."""
    if isinstance(value, str):
        return value.strip()
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _hidden_rows(path, names, name):
    """Return how many rows of a sheet of an Excel workbook are hidden, as by a filter; 0 if that cannot be told.

    Calamine does not say it. The sheets' files are numbered in the order of the sheets, unless some were moved or
    deleted; then nothing is said.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [one for one in archive.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", one)]
            place = f"xl/worksheets/sheet{names.index(name) + 1}.xml"
            if len(files) != len(names) or place not in files:
                return 0
            count, rest = 0, b""
            with archive.open(place) as file:
                while chunk := file.read(_CHUNK):
                    text = rest + chunk
                    count += len(_HIDDEN_ROW.findall(text))
                    begun = _ROW_BEGUN.search(text)
                    rest = text[begun.start() :][:_CHUNK] if begun else b""
            return count
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, RuntimeError, EOFError, zlib.error):
        return 0
