"""What became of each picture that was asked for, one JSON line each, so that the next download goes on."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from lena_jax.runtime.locks import try_lock

# In the folder of pictures; who deletes it has everything that is not there asked for again.
LEDGER = "fetch_ledger.jsonl"


class Ledger:
    """The ledger of a folder, open for writing; made by `open_ledger`.

    Attributes:
        gone: names to the addresses that were gone for good.
    """

    def __init__(self, file, gone: dict[str, str]):
        self._file = file
        self.gone = gone

    def write(self, name: str, url: str, outcome: str, reason: str = "") -> None:
        """Adds one line. Not for several threads at once."""
        entry = {"name": name, "url": url, "outcome": outcome}
        if reason:
            entry["reason"] = reason
        self._file.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")
        self._file.flush()
        if outcome == "gone":
            self.gone[name] = url


@contextlib.contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Opens the folder's ledger, for one download at a time.

    A last line that a killed download left half is dropped.

    Raises:
        ValueError: another download into the folder is under way, or a line is not one of ours.
    """
    # O_NOFOLLOW: a link in its place must not make us write elsewhere.
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
