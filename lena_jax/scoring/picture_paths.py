"""Find the picture files in a list of files and folders."""

import collections
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from lena_jax.data.pictures import ENDINGS, is_hidden


def find(
    paths: Iterable[str | bytes | os.PathLike], passed_over: Callable[[str], object] = lambda path: None
) -> Iterator[str]:
    """Yields given files as they are, and the picture files in given folders and their subfolders.

    Picture files in folders are recognised by their endings. Folders are read lazily, in the order of their names.
    Hidden files and folders, and what systems leave in folders, are passed over, and so are links to folders, which
    avoids loops. A path that does not exist is looked for in the other Unicode spelling, and then yielded as it is: its
    reader reports the error.

    Args:
        paths: iterable of paths; `~` is the home folder.
        passed_over: called with each file or folder in a folder that is passed over.
    """
    for path in map(os.fsdecode, paths):
        path = existing(os.path.expanduser(path))
        if os.path.isdir(path):
            yield from _below(path, passed_over)
        else:
            yield path


class PassedOver:
    """Counts what was passed over in folders, by kind. An instance is the `passed_over` of `find`."""

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()
        self._first = ""

    def __call__(self, path: str) -> None:
        """Counts one path."""
        name = os.path.basename(path)
        if os.path.islink(path) and os.path.isdir(path):
            kind = "link to a folder"
        elif is_hidden(name):
            kind = "hidden"
        else:
            kind = os.path.splitext(name)[1].lower() or "without an ending"
        self._counts[kind] += 1
        if kind != "hidden":
            self._first = self._first or path

    def text(self) -> str:
        """Returns a line that says how many of which kind, or an empty text if nothing was passed over."""
        if not self._counts:
            return ""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self._counts.most_common(20))
        rest = sum(count for _, count in self._counts.most_common()[20:])
        more = f" and {rest:,} more" if rest else ""
        example = f", such as {self._first}" if self._first else ""
        return f"passed over in folders, as they are not pictures that can be read: {counts}{more}{example}"


def existing(path: str) -> str:
    """Returns the spelling of a path under which it exists: letters with accents can be one sign or two."""
    if not path.isascii() and not os.path.lexists(path):
        for form in ("NFC", "NFD"):
            if os.path.lexists(other := unicodedata.normalize(form, path)):
                return other
    return path


def _below(folder, passed_over):
    try:
        with os.scandir(folder) as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        # The reader of this path reports the error.
        yield folder
        return
    for entry in entries:
        if is_hidden(entry.name) or (entry.is_symlink() and entry.is_dir()):
            passed_over(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, passed_over)
        elif entry.name.lower().endswith(ENDINGS):
            yield entry.path
        else:
            passed_over(entry.path)
