"""Open pictures by the names that a table gives them, and only inside one folder."""

import functools
import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from lena_jax.data import pictures


def check_name(name: str) -> str:
    """Return the path `name`, normalised (`./a//b.jpg` becomes `a/b.jpg`).

    Raises:
        ValueError: an empty or absolute path, or one with `..` or a zero byte in it.
    """
    path = PurePosixPath(name)
    if "\0" in name or not path.parts:
        raise ValueError(f"picture path {name!r}: expected the path of a file inside the folder")
    if path.is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root:
        raise ValueError(f"picture path {name!r} is absolute: expected a path relative to the folder of pictures")
    if ".." in path.parts or ".." in PureWindowsPath(name).parts:
        raise ValueError(f"picture path {name!r} leaves the folder of pictures by '..'")
    return str(path)


def is_there(folder: Path, name: str) -> bool:
    """Return whether `read` would find a file `name` in `folder`; it may still be unreadable, or lead out of it."""
    return place_of(folder, name) is not None


def place_of(folder: Path, name: str) -> Path | None:
    """Return the path of the file that `read` would find, in its own Unicode spelling; None if there is none."""
    try:
        place = _found(folder, check_name(name))
        return place if place is not None and place.is_file() else None
    except (OSError, ValueError):  # Too long, or with a zero byte.
        return None


def read(folder: Path, name: str, follow_links: bool = False) -> bytes:
    """Return the content of the file `name` in `folder`.

    If there is no such file, one whose name is the same in another Unicode spelling (an accent as a sign of its own) is
    read, or one with `/` in the place of `\\`.

    Args:
        folder: the folder of pictures.
        name: a path relative to it.
        follow_links: whether links may lead out of the folder.

    Raises:
        ValueError: the path leaves the folder, by '..', as an absolute path or through a symbolic link.
        BadPicture: no such file, not a plain file, unreadable, or larger than `MAX_FILE_BYTES`.
    """
    relative = check_name(name)
    root = folder.resolve()
    try:
        target = (_found(root, relative) or root / relative).resolve()
        inside = follow_links or target.is_relative_to(root)
        exists = inside and target.is_file()
    # A loop of links is a RuntimeError before Python 3.13; a name too long for the file system is an OSError.
    except (OSError, RuntimeError) as error:
        raise pictures.BadPicture(f"cannot be opened: {error}") from error
    if not inside:
        raise ValueError(
            f"picture path {name!r} leaves the folder of pictures through a symbolic link: --follow_links allows that"
        )
    if exists:
        return pictures.read(target)
    if target.exists():
        raise pictures.BadPicture("is a folder or device, not a file")
    if (root / relative).is_symlink():
        raise pictures.BadPicture("is a link to a file that is not there")
    near = _nearly(root, relative)
    raise pictures.BadPicture("no such file" + (f", but there is {near!r}" if near else ""))


def _found(root, relative):
    """Return the file that a name means, or None."""
    if os.path.lexists(root / relative):
        return root / relative
    for one in (relative, relative.replace("\\", "/")):
        place = root
        for part in PurePosixPath(one).parts:
            if not os.path.lexists(place / part):
                same = _by_spelling(place).get(unicodedata.normalize("NFC", part), ())
                if len(same) != 1:
                    break
                part = same[0]
            place = place / part
        else:
            return place
    return None


def _nearly(root, relative):
    """Return the name of a file that differs in case or ending only, or None."""
    place = (root / relative).parent
    wanted = PurePosixPath(relative)
    known = [name for names in _by_spelling(place).values() for name in names]
    for same in (str.casefold, lambda name: PurePosixPath(name).stem.casefold()):
        for name in known:
            if same(unicodedata.normalize("NFC", name)) == same(unicodedata.normalize("NFC", wanted.name)):
                return str(wanted.with_name(name))
    return None


def _by_spelling(folder):
    """Return the names in a folder by their composed spelling; nothing if it cannot be listed."""
    try:
        return _listed(str(folder), os.stat(folder).st_mtime_ns)
    except OSError:
        return {}


@functools.lru_cache(maxsize=64)
def _listed(folder, changed):
    found = {}
    for name in sorted(os.listdir(folder)):
        found.setdefault(unicodedata.normalize("NFC", name), []).append(name)
    return found
