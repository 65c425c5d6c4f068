"""Open pictures by the names that a table gives them, and only inside one folder."""

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


def read(folder: Path, name: str) -> bytes:
    """Return the content of the file `name` in `folder`.

    Raises:
        ValueError: the path leaves the folder, by '..', as an absolute path or through a symbolic link.
        BadPicture: no such file, not a plain file, unreadable, or larger than `MAX_FILE_BYTES`.
    """
    relative = check_name(name)
    root = folder.resolve()
    try:
        target = (root / relative).resolve()
        inside = target.is_relative_to(root)
        exists = inside and target.is_file()
    # A loop of links is a RuntimeError before Python 3.13; a name too long for the file system is an OSError.
    except (OSError, RuntimeError) as error:
        raise pictures.BadPicture(f"cannot be opened: {error}") from error
    if not inside:
        raise ValueError(f"picture path {name!r} leaves the folder of pictures through a symbolic link")
    if not exists:
        raise pictures.BadPicture("is a folder or device, not a file" if target.exists() else "no such file")
    return pictures.read(target)
