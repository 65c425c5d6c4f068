"""Read a CSV or Parquet file as text values, row by row: a large table is never in memory whole."""

import csv
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# The first bytes of every Parquet file. The file's name does not matter.
_PARQUET = b"PAR1"
_ROWS_AT_ONCE = 4096


def read(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each row and its values in `columns`, stripped; a missing value is an empty string.

    The rows of a CSV (UTF-8, with a header row) are numbered as in a spreadsheet: the header is row 1. In a Parquet
    file the first row is row 1.

    Args:
        path: the file.
        columns: the columns to read.

    Raises:
        ValueError: no such file, not a table, a column that is missing or there twice, or a row whose length differs
            from the header's.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no such CSV file or Parquet file: {path}")
    columns = list(dict.fromkeys(columns))
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    return (_parquet if is_parquet else _csv)(path, columns)


def _csv(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    number = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            position = {name: _column(path, header, name) for name in columns}
            for number, values in enumerate(reader, start=2):
                if not values:
                    # Skip empty lines: many editors leave one at the end.
                    continue
                if len(values) != len(header):
                    raise ValueError(
                        f"{path}, row {number}: got {len(values)} values, expected {len(header)} as in the header"
                        + "; is there a comma too many, or a text with a comma and without quotes?"
                        * (len(values) > len(header))
                    )
                yield number, {name: values[index].strip() for name, index in position.items()}
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, after row {number}: not a CSV: {error}") from error


def _parquet(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    # Imported here because a CSV does not need it.
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            for name in columns:
                _column(path, header, name)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                by_column = [batch.column(name).to_pylist() for name in columns]
                for values in zip(*by_column, strict=True):
                    number += 1
                    yield number, {name: _text(value) for name, value in zip(columns, values, strict=True)}
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}, after row {number}: not a readable Parquet file: {error}") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    return str(value).strip()


def _column(path: Path, header: list[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise ValueError(f"{path}: column {name!r} is there {header.count(name)} times, expected once")
    nearest = difflib.get_close_matches(name, header, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(f"{path}: got column {name!r}, expected one of {', '.join(header) or '(the file is empty)'}{hint}")
