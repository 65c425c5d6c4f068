"""What every command does with its words: `~` in paths, names that the output cannot show, readers that have gone."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence

# A flag with a value: the shell leaves a ~ behind the equals sign as it is.
_FLAG = re.compile(r"(--?[A-Za-z][\w.-]*=)(.*)", re.S)


def expand(path: str) -> str:
    """Return a path, or a list of paths with commas, with `~` and `~user` replaced by home folders.

    Example:
        >>> expand("~/a,b~/c") == os.path.expanduser("~") + "/a,b~/c"
        True
    """
    return ",".join(os.path.expanduser(one) for one in path.split(",")) if "~" in path else path


def arguments(argv: Sequence[str] | None = None) -> list[str]:
    """Return the arguments of a command, those of this process by default, with home folders in the place of `~`."""
    return [_expanded(one) for one in (sys.argv[1:] if argv is None else argv)]


def _expanded(argument):
    flag = _FLAG.fullmatch(argument)
    return flag[1] + expand(flag[2]) if flag else expand(argument)


@contextlib.contextmanager
def patient_output() -> Iterator[None]:
    """Let no word of a command end it: what the output cannot show is escaped, and a reader that has gone is no error.

    The command goes on and ends as if it had been read, so its files are whole.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):
            # A stream whose file was exchanged under it says "Illegal seek"; it works all the same.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (None if stream is None else _Patient(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, _Patient):
                stream.flush()
        sys.stdout, sys.stderr = before


def say(text: str, end: str = "\n") -> None:
    """Print a line about a result that is in a file already: not being able to print it is no failure."""
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        print(f"warning: standard output cannot be written: {error.strerror or error}", file=sys.stderr)


class _Patient:
    """A stream that drops what is written once its reader has gone."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self):
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self):
        # Python flushes once more when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
