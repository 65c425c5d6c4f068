"""Find the picture files in a list of files and folders."""

import os
from collections.abc import Callable, Iterable, Iterator

from lena_jax.data.pictures import ENDINGS


def find(
    paths: Iterable[str | bytes | os.PathLike], passed_over: Callable[[str], object] = lambda path: None
) -> Iterator[str]:
    """Yields given files as they are, and the picture files in given folders and their subfolders.

    Picture files in folders are recognised by their endings. Folders are read lazily, in the order of their names.
    Links to folders inside them are not followed, which avoids loops. A path that does not exist is yielded too: its
    reader reports the error.

    Args:
        paths: iterable of paths.
        passed_over: called with each file in a folder that has another ending.
    """
    for path in map(os.fsdecode, paths):
        if os.path.isdir(path):
            yield from _below(path, passed_over)
        else:
            yield path


def _below(folder, passed_over):
    try:
        with os.scandir(folder) as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        # The reader of this path reports the error.
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, passed_over)
        elif entry.name.lower().endswith(ENDINGS):
            yield entry.path
        else:
            passed_over(entry.path)
