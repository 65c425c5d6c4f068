"""The cells of a CSV or Parquet file as text, row by row: a large table is never in memory whole."""

import csv
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# How every Parquet file starts; the name's ending is not asked.
_PARQUET = b"PAR1"
_ROWS_AT_ONCE = 4096


def read(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the number of each row and its cells of `columns`, stripped; a missing value is an empty text.

    A CSV (UTF-8, with a header row) is numbered as a spreadsheet does: the header is row 1. Of a Parquet file, the
    first row is row 1.

    Raises:
        ValueError: no such file, not a table, a column that is not there or there twice, a row of another length
            than the header.
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
            for number, cells in enumerate(reader, start=2):
                if not cells:
                    # An empty line holds nothing; many editors leave one at the end.
                    continue
                if len(cells) != len(header):
                    raise ValueError(
                        f"{path}, row {number}: got {len(cells)} cells, expected {len(header)} as in the header"
                    )
                yield number, {name: cells[index].strip() for name, index in position.items()}
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, after row {number}: not a CSV: {error}") from error


def _parquet(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    # Here and not above: a CSV needs none of it.
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            for name in columns:
                _column(path, header, name)
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                values = [batch.column(name).to_pylist() for name in columns]
                for cells in zip(*values, strict=True):
                    number += 1
                    yield number, {name: _text(cell) for name, cell in zip(columns, cells, strict=True)}
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}, after row {number}: not a readable Parquet file: {error}") from error


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bytes):
        return cell.decode(errors="replace").strip()
    return str(cell).strip()


def _column(path: Path, header: list[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise ValueError(f"{path}: column {name!r} is there {header.count(name)} times, expected once")
    nearest = difflib.get_close_matches(name, header, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(f"{path}: got column {name!r}, expected one of {', '.join(header) or '(the file is empty)'}{hint}")
