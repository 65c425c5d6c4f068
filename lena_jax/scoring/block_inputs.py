"""Split the pictures to score into blocks: files, folders, or columns of Parquet files."""

import hashlib
import os
from collections.abc import Iterable

from lena_jax.data.pictures import ENDINGS
from lena_jax.scoring import picture_paths
from lena_jax.scoring.blocks import Paths, Rows

_TABLE = ".parquet"


def slices(given: Iterable[str | bytes | os.PathLike], column: str, size: int) -> list[Paths] | list[Rows]:
    """Splits pictures into blocks. The order of the input does not matter, and duplicates are dropped.

    Args:
        given: iterable of files and folders (`picture_paths.find`), or of Parquet files only.
        column: column of the Parquet files. Text is a path, bytes are the content of an image file.
        size: maximum number of pictures per block.

    Returns:
        List of `Paths`, sorted by the bytes of the paths, or list of `Rows`, sorted by file and row.

    Raises:
        ValueError: there are no pictures, or a Parquet file is damaged or has no such column.
    """
    every = [os.path.abspath(os.fsdecode(path)) for path in given]
    tables = sorted({path for path in every if path.lower().endswith(_TABLE)})
    if tables and len(tables) < len(set(every)):
        other = next(path for path in every if path not in tables)
        raise ValueError(
            f"got the Parquet file {tables[0]!r} together with {other!r}, expected only Parquet files, or none"
        )
    found = _of_tables(tables, column, size) if tables else _of_paths(map(os.fsencode, picture_paths.find(every)), size)
    if not found:
        raise ValueError(
            f"got no pictures, expected files, folders with files that end in {', '.join(ENDINGS)}, or Parquet files"
        )
    return found


def _of_paths(paths, size):
    paths = sorted(set(paths))
    return [Paths(tuple(paths[start : start + size])) for start in range(0, len(paths), size)]


def _of_tables(tables, column, size):
    import pyarrow
    from pyarrow import parquet, types

    paths, rows, kinds = [], [], set()
    for path in tables:
        try:
            file = parquet.ParquetFile(path)
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise ValueError(f"cannot read the Parquet file {path!r}: {error}") from error
        with file:
            if column not in file.schema_arrow.names:
                raise ValueError(
                    f"{path!r} has no column {column!r}, expected one of "
                    f"{', '.join(file.schema_arrow.names)}: name it with --column"
                )
            kind = file.schema_arrow.field(column).type
            if types.is_string(kind) or types.is_large_string(kind):
                paths += _paths_in(path, file.read([column]).column(0).to_pylist())
            elif types.is_binary(kind) or types.is_large_binary(kind):
                digest, count = _digest(file), file.metadata.num_rows
                rows += [Rows(path, digest, column, start, min(start + size, count)) for start in range(0, count, size)]
            else:
                raise ValueError(f"{path!r} has a column {column!r} of {kind}, expected text (paths) or bytes")
            kinds.add("paths" if types.is_string(kind) or types.is_large_string(kind) else "bytes")
    if len(kinds) > 1:
        raise ValueError(f"got Parquet files with paths and others with bytes in {column!r}, expected one kind")
    return rows or _of_paths(paths, size)


def _paths_in(path, values):
    if None in values:
        raise ValueError(f"{path!r} has no path in row {values.index(None)}")
    folder = os.getcwd()
    return [os.fsencode(os.path.join(folder, value)) for value in values]


def _digest(file):
    """Hashes the file's metadata: number, offsets, sizes and (if stored) value bounds of the row groups."""
    metadata = file.metadata.to_dict()
    return hashlib.sha256(repr(metadata).encode()).hexdigest()[:16]
