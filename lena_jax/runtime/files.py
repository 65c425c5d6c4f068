"""Write a file whole or not at all, clear what killed processes left, and open only plain files of limited size."""

import contextlib
import glob
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from lena_jax.runtime.locks import try_lock

_unfinished: set[str] = set()
# For so many seconds, what has no lock may be about to get one.
_FRESH_SECONDS = 1


def write_whole(path, write, mode="w", forget=True):
    """Call `write(file)` on a temporary file next to `path`, then move it to `path`. No reader sees half a file.

    Args:
        path: path of the file.
        write: function of the opened file.
        mode: "w" or "wb".
        forget: whether to remove the temporary files that killed processes left of this file.
    """
    path = os.path.expanduser(path)
    if forget:
        _forget(f"{glob.escape(os.fspath(path))}.{'[0-9a-f]' * 32}.unfinished")
    place = f"{path}.{uuid.uuid4().hex}.unfinished"  # A process id is not unique if containers share a disk.
    with unfinished(place):
        with open(place, mode, **({} if "b" in mode else {"newline": "", "encoding": "utf-8"})) as file:
            _lock(file)
            write(file)
            file.flush()
            # Before the lock is dropped: nobody takes the file for an abandoned one.
            os.replace(place, path)


@contextlib.contextmanager
def unfinished_folder(place: str | os.PathLike) -> Iterator[Path]:
    """Make a private folder next to `place`, in which a folder is filled that is then moved there.

    It is removed in the end, and so are those that killed processes left.
    """
    place = Path(place)
    _forget(os.path.join(glob.escape(os.fspath(place.parent)), f".{glob.escape(place.name)}.*.unfinished"))
    folder = place.with_name(f".{place.name}.{uuid.uuid4().hex}.unfinished")
    with unfinished(folder):
        folder.mkdir(mode=0o700)
        with open(folder / "lock", "w") as lock:
            _lock(lock)
            yield folder


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


def _lock(file):
    with contextlib.suppress(OSError):  # A disk without locks: what is left there stays.
        try_lock(file)


def _forget(pattern):
    """Remove files and folders of this user whose locks are free: their processes were killed."""
    for path in glob.glob(pattern):
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode):
                continue
            fresh = time.time() - found.st_mtime < _FRESH_SECONDS
            lock = os.path.join(path, "lock") if stat.S_ISDIR(found.st_mode) else path
            if fresh and (not os.path.lexists(lock) or (lock == path and not found.st_size)):
                continue
            if not os.path.lexists(lock):
                _remove(path)
                continue
            with open(os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if try_lock(file):
                    _remove(path)


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
