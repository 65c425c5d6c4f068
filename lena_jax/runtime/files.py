"""Write a file whole or not at all; open a file that someone else named, if it is a plain one of bounded size."""

import os
import stat
import uuid


def write_whole(path, write, mode="w"):
    """Calls `write(file)` on a neighbouring file and moves it into place, so that no reader meets half a file."""
    unfinished = f"{path}.{uuid.uuid4().hex}.unfinished"  # Containers on one disk may have equal process numbers.
    try:
        with open(unfinished, mode, **({} if "b" in mode else {"newline": "", "encoding": "utf-8"})) as file:
            write(file)
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def open_plain(path, most_bytes, refuse):
    """Opens a plain file to read its bytes; folders, devices and pipes (which would be waited for) are refused.

    Args:
        path: of the file.
        most_bytes: size up to which it is opened; it may still grow while it is read.
        refuse: the exception to raise, called with the reason.

    Raises:
        refuse: no such file, not a plain file, unreadable, larger than `most_bytes`, or a path that no file can have.
    """
    try:
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
        # A path with a zero byte in it, or one that the system's encoding does not have.
        raise refuse(f"cannot be read: {error}") from error


def too_large(size, most_bytes):
    """What is said of a file that is too large."""
    return f"file too large: got {size:,} bytes, expected at most {most_bytes:,}"
