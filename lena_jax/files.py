"""Writing a file whole or not at all."""

import os
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
