"""Write a file whole or not at all, and open only plain files of limited size."""

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator

_unfinished: set[str] = set()


@contextlib.contextmanager
def unfinished(path: str | os.PathLike) -> Iterator[None]:
    """Remove what lies at a path, a file or a folder, when the body ends, however it ends.

    A second signal, which ends the process at once, removes it too; only SIGKILL leaves it there.
    """
    path = os.path.abspath(path)
    _unfinished.add(path)
    try:
        yield
    finally:
        _remove(path)
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove all that is `unfinished` in this process, which ends now."""
    for path in list(_unfinished):
        _remove(path)


def _remove(path):
    # A folder that is gone or has become read-only is no reason to hide why the body ended.
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.remove(path)


def write_whole(path, write, mode="w"):
    """Call `write(file)` on a temporary file next to `path`, then move it to `path`. No reader sees half a file."""
    path = os.path.expanduser(path)
    place = f"{path}.{uuid.uuid4().hex}.unfinished"  # A process id is not unique if containers share a disk.
    with unfinished(place):
        with open(place, mode, **({} if "b" in mode else {"newline": "", "encoding": "utf-8"})) as file:
            write(file)
        os.replace(place, path)


def user_cache(*parts):
    """Return a folder in the user's cache, `$XDG_CACHE_HOME/lena_jax` (`~/.cache/...`); it may be deleted any time."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(os.path.expanduser(root), "lena_jax", *parts)


def is_writable(folder):
    """Whether files can be made in a folder, or it can be created."""
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def open_plain(path, most_bytes, refuse):
    """Open a plain file to read its bytes. Refuse folders, devices and pipes, which could block.

    Args:
        path: path of the file.
        most_bytes: greatest size of the file; it may still grow while it is read.
        refuse: class of the exception to raise, called with the reason.

    Raises:
        refuse: no such file, not a plain file, unreadable, larger than `most_bytes`, or an impossible path.
    """
    try:
        path = os.path.expanduser(path)
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise refuse("is a folder, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise refuse("is a device or pipe, not a file")
        if found.st_size > most_bytes:
            raise refuse(too_large(found.st_size, most_bytes))
        return open(path, "rb")
    except FileNotFoundError as error:
        raise refuse("no such file") from error
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror or error}") from error
    except refuse:
        raise
    except ValueError as error:
        # The path has a zero byte, or the system's encoding cannot represent it.
        raise refuse(f"cannot be read: {error}") from error


def too_large(size, most_bytes):
    """Return the message about a file that is too large."""
    return f"file too large: got {size:,} bytes, expected at most {most_bytes:,}"
