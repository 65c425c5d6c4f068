"""JSON as a table: an object a line, or one list of objects."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Columns are looked for in so many first rows.
_FIRST = 1000
# A list is in memory whole, in characters.
_MAX_LIST = 1 << 28


def rows(path: Path, text: Any, columns: Sequence[str], find_column: Callable) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each row and its values in `columns`.

    Args:
        path: the file.
        text: its `delimited.Text`.
        columns: the columns to read.
        find_column: raises a ValueError for a column that is missing.

    Raises:
        ValueError: not JSON, or a row that is no object.
    """
    found = _objects(path, text)
    first = list(itertools.islice(found, _FIRST))
    header = list(dict.fromkeys(key for _, one in first for key in one))
    for name in columns if first else ():
        find_column(path, header, name)
    for number, one in itertools.chain(first, found):
        yield number, {name: _value(path, number, name, one.get(name)) for name in columns}


def _objects(path, text):
    number = 0
    try:
        with text.open() as file:
            if text.start() == "[":
                content = file.read(_MAX_LIST + 1)
                if len(content) > _MAX_LIST:
                    raise ValueError(f"{path}: the JSON list is too long: save it as JSON lines, an object a line")
                for number, one in enumerate(json.loads(content), start=1):
                    yield number, _object(path, number, one)
                return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, json.loads(line))
    except (json.JSONDecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}, row {number or 1}: not JSON lines (an object a line) and not a list of objects: {error}"
        ) from error


def _object(path, number, one):
    if not isinstance(one, dict):
        raise ValueError(f"{path}, row {number}: got {type(one).__name__} in JSON, expected an object of columns")
    return {key.strip(): value for key, value in one.items()}


def _value(path, number, name, value):
    if isinstance(value, (dict, list)):
        raise ValueError(f"{path}, row {number}: {name} is a JSON {type(value).__name__}, expected a text or a number")
    return "" if value is None else value.strip() if isinstance(value, str) else value
