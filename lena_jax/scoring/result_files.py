"""Write scores as rows of a CSV, Excel, JSON Lines or Parquet file. The name of an unfinished file says so."""

import contextlib
import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lena_jax.runtime.locks import try_lock
from lena_jax.scoring.results import PictureScore

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("name", "score", "percentile", "error")
PARTIAL = ".partial"
_ROW_GROUP = 1024  # Rows per Parquet row group.
_MOST_XLSX_ROWS, _MOST_XLSX_TEXT = 1_048_575, 32_767  # Below the header; Excel's limits.
# Characters that begin a formula in a spreadsheet.
_FORMULA = tuple("=+-@\t\r")


@contextlib.contextmanager
def open_results(path: str) -> Iterator[Callable[[PictureScore], None]]:
    """Opens a file of results and yields a function that adds one `PictureScore` as a row.

    Rows go to `path.partial`, which is renamed to `path` when the block ends without an exception. An exception or
    Ctrl-C leaves the finished rows in `path.partial`, as a readable file, and does not touch `path`.

    Args:
        path: path of the file. Its ending selects the format: .csv, .xlsx, .jsonl or .parquet. In .csv, a name that
            a spreadsheet would read as a formula is written `./name`.

    Raises:
        ValueError: the ending is another one, pyarrow is missing for .parquet, `path` is a folder, its folder does not
            exist, or another process is writing it.
        OSError: the file cannot be written.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in _WRITERS:
        raise ValueError(f"got the output {path!r}, expected a name that ends in {', '.join(_WRITERS)}")
    if os.path.isdir(path):
        raise ValueError(f"got the output {path!r}, which is a folder, expected a file or an unused name")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ValueError(f"got the output {path!r}, but there is no folder {os.path.dirname(path)!r}")
    partial, rows = f"{path}{PARTIAL}", 0
    with open(partial, "a") as lock:
        if not try_lock(lock):
            raise ValueError(f"{partial!r} is being written by another process: wait for it or use another output")
        try:
            with _WRITERS[ending](partial) as write:

                def add(result):
                    nonlocal rows
                    write(row_of(result))
                    rows += 1

                yield add
        except BaseException:  # Also Ctrl-C, and a caller that stops early.
            if not rows:
                with contextlib.suppress(OSError):
                    os.remove(partial)
            raise
        os.replace(partial, path)


def printable(text: str) -> str:
    """Escapes control characters and undecodable bytes, so that text of unknown origin is safe to print."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def row_of(result: PictureScore) -> dict[str, str | float | None]:
    """Returns the values of a row under the names in `COLUMNS`. What of a name is not text is escaped."""
    row = {name: getattr(result, name) for name in COLUMNS}
    # A file name may contain bytes that are not text.
    return row | {
        name: None if row[name] is None else row[name].encode("utf-8", "backslashreplace").decode()
        for name in ("name", "error")
    }


@contextlib.contextmanager
def _csv(path):
    # Line buffering: even a killed process leaves its finished rows.
    with open(path, "w", buffering=1, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        yield lambda row: writer.writerow(row | {"name": csv_name(row["name"])})


def csv_name(name: str) -> str:
    """Rewrites a path so that no spreadsheet runs it as a formula. It still names the same file."""
    return f"./{name}" if name.startswith(_FORMULA) else name


@contextlib.contextmanager
def workbook(path: str, columns: Sequence[str]) -> Iterator[Callable[[dict], None]]:
    """Opens an Excel workbook with one sheet, and yields a function that adds a row of values by column.

    Texts stay texts: no formulas, links or numbers are made of them. What was added is in the file however the block
    ends.

    Raises:
        ValueError: there are more rows than a sheet has.
    """
    # Imported here because the other formats do not need it.
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(path, options)
    sheet, count = book.add_worksheet("scores"), 0
    sheet.write_row(0, 0, columns)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 0, 40)

    def add(row):
        nonlocal count
        count += 1
        if count > _MOST_XLSX_ROWS:
            raise ValueError(f"{path}: a sheet has at most {_MOST_XLSX_ROWS:,} rows: write .csv or .parquet")
        for place, value in enumerate(map(row.get, columns)):
            if isinstance(value, str):
                sheet.write_string(count, place, value[:_MOST_XLSX_TEXT])
            elif value is not None:
                sheet.write_number(count, place, value)

    try:
        yield add
    finally:
        try:
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise OSError(*error.args[0].args) if isinstance(error.args[0], OSError) else error from error


def _xlsx(path):
    return workbook(path, COLUMNS)


@contextlib.contextmanager
def _json_lines(path):
    with open(path, "w", buffering=1, encoding="utf-8") as file:
        yield lambda row: file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def as_table(results: Iterable[PictureScore]) -> "pyarrow.Table":
    """Converts results to a `pyarrow.Table` with the columns of a .parquet file."""
    return _table(map(row_of, results))


@contextlib.contextmanager
def _parquet(path):
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(
            f"a .parquet file needs pyarrow ({error}): pip install 'lena-jax[parquet]'; .csv and .jsonl need no package"
        ) from error
    rows: list[dict] = []
    with parquet.ParquetWriter(path, _table([]).schema) as writer:

        def flush():
            if rows:
                writer.write_table(_table(rows))
                rows.clear()

        def write(row):
            rows.append(row)
            if len(rows) == _ROW_GROUP:
                flush()

        try:
            yield write
        finally:
            flush()


def _table(rows):
    import pyarrow

    schema = pyarrow.schema(
        [
            ("name", pyarrow.string()),
            ("score", pyarrow.float64()),
            ("percentile", pyarrow.float64()),
            ("error", pyarrow.string()),
        ]
    )
    return pyarrow.Table.from_pylist(list(rows), schema)


_WRITERS = {".csv": _csv, ".xlsx": _xlsx, ".jsonl": _json_lines, ".parquet": _parquet}
