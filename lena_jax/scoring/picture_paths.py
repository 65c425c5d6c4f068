"""The picture files that a list of files and folders names."""

import os
from collections.abc import Callable, Iterable, Iterator

# File name endings of the formats that `lena_jax.data.pictures` reads.
ENDINGS = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".mpo",
    ".png",
    ".apng",
    ".webp",
    ".gif",
    ".bmp",
    ".dib",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
)


def find(
    paths: Iterable[str | bytes | os.PathLike], passed_over: Callable[[str], object] = lambda path: None
) -> Iterator[str]:
    """Yields files as they are given, and of folders the picture files in and below them, by their endings.

    Folders are read as they are come to, each in the order of its names. Links to folders are not followed, so that no
    loop is. A path that is neither is yielded too: why it cannot be read is for the reader to say.

    Args:
        paths: iterable of paths.
        passed_over: called with each file in a folder that is left out for its ending.
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
        # Its reader says why.
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, passed_over)
        elif entry.name.lower().endswith(ENDINGS):
            yield entry.path
        else:
            passed_over(entry.path)
