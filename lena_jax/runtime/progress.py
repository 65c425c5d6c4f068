"""Progress of what takes long: a bar on a terminal and in a notebook, a plain line every ten seconds in a log."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import std
from tqdm.auto import tqdm

EVERY = 10  # Seconds between two lines.


def counted(
    things: Iterable | None = None,
    what: str = "",
    total: int | None = None,
    done: int = 0,
    unit: str = "pictures",
    quiet: bool = False,
) -> Any:
    """Count things on standard error while they are taken, as `tqdm` does.

    On a terminal and in a notebook it is a bar. Elsewhere (a file, a pipe, a job's log) it is a line after every ten
    seconds and one at the end, without carriage returns.

    Args:
        things: what to count; None to call `update` on the result instead.
        what: what is done with them, one or two words.
        total: how many there are, if `things` has no length.
        done: how many are done already.
        unit: plural of what is counted.
        quiet: show nothing.

    Returns:
        A `tqdm.tqdm`, which is an iterator over `things`.

    Example:
        >>> sum(counted(range(4), "adding", unit="numbers", quiet=True))
        6
    """
    stream = sys.stderr
    in_notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
    a_terminal = in_notebook or (stream is not None and stream.isatty())
    return (tqdm if a_terminal else _Lines)(
        things, what, total, initial=done, unit=f" {unit}", mininterval=0.5, disable=quiet or stream is None
    )


class _Lines(std.tqdm):
    """Writes lines where tqdm would draw its bar again."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options | {"mininterval": EVERY, "delay": EVERY, "file": sys.stderr})

    _said: tuple = ()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        facts = self.format_dict
        self._said = facts["n"], self.postfix
        count, total, spent = facts["n"], facts["total"], facts["elapsed"]
        rate = (count - facts["initial"]) / spent if spent > 0 else 0
        parts = [f"{count:,}{self.unit}" if total is None else f"{count:,} of {total:,}{self.unit}"]
        parts.append(self.format_interval(spent))
        if total is not None and count < total and rate > 0:
            parts.append(f"about {self.format_interval((total - count) / rate)} left")
        parts.append(self.postfix)
        self.fp.write(f"{facts['prefix']}: {', '.join(filter(None, parts))}\n")
        self.fp.flush()

    def close(self) -> None:
        if not self.disable:
            self.disable = True
            self._decr_instances(self)
            if self._said != (self.n, self.postfix):
                self.display()

    @classmethod
    def write(cls, s: str, file: Any = None, end: str = "\n", nolock: bool = False) -> None:
        """Write a line of its own. tqdm would clear its bar before and draw it after."""
        print(s, file=file or sys.stdout, end=end)
