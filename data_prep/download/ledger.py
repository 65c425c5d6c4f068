"""Record what became of each requested picture, one JSON line each, so that the next download can go on."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from lena_jax.runtime.locks import try_lock

# Lies in the folder of pictures. If it is deleted, all missing pictures are requested again.
LEDGER = "fetch_ledger.jsonl"


class Ledger:
    """A folder's ledger, opened for writing by `open_ledger`.

    Attributes:
        gone: names of pictures to their addresses, which are gone for good.
    """

    def __init__(self, file, gone: dict[str, str]):
        self._file = file
        self.gone = gone

    def write(self, name: str, url: str, outcome: str, reason: str = "") -> None:
        """Add one line. Not safe for several threads at once."""
        entry = {"name": name, "url": url, "outcome": outcome}
        if reason:
            entry["reason"] = reason
        self._file.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")
        self._file.flush()
        if outcome == "gone":
            self.gone[name] = url


@contextlib.contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Open the folder's ledger, for one download at a time.

    If a killed download left half a line at the end, that line is dropped.

    Raises:
        ValueError: another download into the folder is under way, or a line is not a ledger's.
    """
    # With O_NOFOLLOW, a link in the ledger's place cannot make us write elsewhere.
    descriptor = os.open(folder / LEDGER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+b") as file:
        if not try_lock(file):
            raise ValueError(f"{folder}: another download is under way there, expected one at a time")
        content = file.read()
        whole = content.rfind(b"\n") + 1
        gone = {}
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                entry = json.loads(line)
                name, url, outcome = str(entry["name"]), str(entry["url"]), entry["outcome"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{folder / LEDGER}, line {number}: got {line[:80]!r}, expected a line of a download; "
                    "delete the file to ask for all missing pictures again"
                ) from error
            if outcome == "gone":
                gone[name] = url
        file.seek(whole)
        file.truncate()
        yield Ledger(file, gone)
