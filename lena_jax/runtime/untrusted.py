"""Values from files of others: read JSON within bounds, and show a value in a message without its structure."""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from typing import Any

from lena_jax.runtime.files import open_plain

# Our own files are nested six deep.
MOST_LEVELS = 64
_MOST_BYTES = 64 << 20
# What is shown of a value: so many entries of a container, so many characters of a text, numbers of so many bits.
_ENTRIES, _LETTERS, _BITS = 8, 80, 128


def described(value: Any) -> str:
    """Return a short text for a value of unknown origin, in time and space that do not depend on the value.

    The entries of a container are shown, those of a container inside it are counted: a tuple that holds another one
    twice, that one again, and so on, has more entries than any text could have letters.

    Example:
        >>> described(("a", 10**50, [1, 2]))
        "('a', a whole number of 167 bits, a list of 2)"
    """
    if not isinstance(value, (list, tuple, dict, set, frozenset)):
        return _flat(value, _LETTERS)
    entries = [_flat(one, _LETTERS // 2) for one, _ in zip(value, range(_ENTRIES), strict=False)]
    if len(value) > _ENTRIES:
        entries.append(f"... ({len(value):,} in all)")
    comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
    left, right = {list: "[]", tuple: "()"}.get(type(value), "{}")
    return f"{left}{', '.join(entries)}{comma}{right}"


def read_json(path: str | os.PathLike, most_bytes: int = _MOST_BYTES) -> Any:
    """Read a JSON file that may have been written by anyone; see `parse_json` for the bounds.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a plain file, cannot be read, is larger than `most_bytes`, or is no such JSON. The
            message names the file.
    """
    path = os.fspath(path)
    if not os.path.lexists(path):
        raise FileNotFoundError(f"no such file: {path!r}")
    try:
        with open_plain(path, most_bytes, ValueError) as file:
            return parse_json(file.read(most_bytes + 1))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path!r}: {error}") from error


def read_object(path: str | os.PathLike) -> dict[str, Any]:
    """Read a JSON file that holds an object; see `read_json`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{os.fspath(path)!r}: got {described(value)}, expected a JSON object")
    return value


@contextlib.contextmanager
def damage_in(what: str) -> Iterator[None]:
    """Say that `what` is damaged where the body finds values of other kinds than it wrote there.

    For the body that reads many values out of files of which only the outermost level was checked.

    Raises:
        ValueError: in the place of a `KeyError`, `TypeError`, `IndexError`, `AttributeError` or `OverflowError`.
    """
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"{what} is damaged: {type(error).__name__}: {said}") from error


def parse_json(content: bytes | str) -> Any:
    """Parse JSON that anyone may have written.

    Every number fits into 64 bits and is finite, and nothing is nested deeper than `MOST_LEVELS`: what reads the values
    need not ask again.

    Raises:
        ValueError: if the content is something else.

    Example:
        >>> parse_json('{"steps": 1e400}')
        Traceback (most recent call last):
        ...
        ValueError: not valid JSON: got 1e400, expected finite numbers
    """
    try:
        value = json.loads(content, parse_constant=_constant, parse_float=_float, parse_int=_int)
    except RecursionError as error:
        raise ValueError("not valid JSON: nested too deeply") from error
    except ValueError as error:  # It may quote a value.
        raise ValueError(f"not valid JSON: {str(error)[:200]}") from error
    level, levels = [value], 0
    while level := [one for part in level for one in _parts(part)]:
        if (levels := levels + 1) > MOST_LEVELS:
            raise ValueError(f"not valid JSON: nested too deeply, expected at most {MOST_LEVELS} levels")
    return value


def _parts(value):
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _constant(name):
    raise ValueError(f"got {name}, expected finite numbers")


def _float(text):
    if not math.isfinite(value := float(text)):
        raise ValueError(f"got {text[:40]}, expected finite numbers")
    return value


def _int(text):
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"got {text[:40]}, expected numbers of at most 64 bits")
    return int(text)


def _flat(value, letters):
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, (str, bytes)):
        return repr(value[:letters]) + "..." * (len(value) > letters)
    if isinstance(value, int):
        bits = value.bit_length()
        return repr(value) if bits <= _BITS else f"a whole number of {bits:,} bits"
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return f"a {type(value).__name__} of {len(value):,}"
    return f"a {type(value).__name__}"
