"""Find pictures by id in a folder, whatever their ending; read them, or say why they are unusable."""

import os
from pathlib import Path

from data_prep import picture_folder
from lena_jax.data import pictures

# If one id has several files, the first of these endings counts.
ENDINGS = tuple(ending.removeprefix(".") for ending in pictures.ENDINGS)
# In pixels. Smaller pictures are icons, spacers, or a server's placeholder for a missing picture.
MIN_SIDE = 32
# Why a picture cannot be used.
REASONS = ("missing", "undecodable", "wrong_size")


class Unusable(Exception):
    """A picture that cannot be used; `reason` is one of `REASONS`, the message says more."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


def check_side(min_side: int) -> int:
    """Return `min_side` if it is at least one pixel.

    Raises:
        ValueError: it is not.
    """
    if min_side < 1:
        raise ValueError(f"min_side: got {min_side}, expected at least 1 pixel")
    return min_side


def find(folder: Path) -> dict[str, str]:
    """Return the ids and file names of the pictures directly in `folder`; `10.jpg` has the id "10".

    Raises:
        ValueError: no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"no such folder of pictures: {folder}")
    found: dict[str, tuple[int, str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, _, ending = entry.name.rpartition(".")
            if stem and ending.lower() in ENDINGS:
                candidate = (ENDINGS.index(ending.lower()), entry.name)
                found[stem] = min(found.get(stem, candidate), candidate)
    return {stem: name for stem, (_, name) in found.items()}


def read(folder: Path, name: str | None, follow_links: bool = False) -> bytes:
    """Return the content of a file.

    Args:
        folder: the folder of pictures.
        name: the file name from `find`; None for a picture that it did not find.
        follow_links: whether links may lead out of the folder.

    Raises:
        Unusable: no such file, or a file that is too large or cannot be read.
        ValueError: a link that leads out of the folder.
    """
    if name is None:
        raise Unusable("missing", "no such file")
    try:
        return picture_folder.read(folder, name, follow_links)
    except pictures.BadPicture as error:
        try:
            size = (Path(folder) / name).stat().st_size
        except OSError:
            raise Unusable("missing", str(error)) from error
        raise Unusable("wrong_size" if size > pictures.MAX_FILE_BYTES else "undecodable", str(error)) from error


def decode(data: bytes, min_side: int = 1) -> pictures.Picture:
    """Return the picture in `data` as `pictures.decode` does.

    Args:
        data: the content of a picture file.
        min_side: least width and height in pixels.

    Raises:
        Unusable: it does not decode, has more pixels than can be decoded safely, or has a side below `min_side`.
    """
    try:
        picture = pictures.decode(data)
    except pictures.BadPicture as error:
        header = pictures.header(data)
        size = header and header[1]
        huge = size is not None and (size[0] * size[1] > pictures.MAX_PIXELS or max(size) > pictures.MAX_SIDE)
        if size is not None and min(size) < min_side:
            raise _too_small(size, min_side) from error
        raise Unusable("wrong_size" if huge else "undecodable", str(error)) from error
    if min(picture.size) < min_side:
        raise _too_small(picture.size, min_side)
    return picture


def _too_small(size, min_side):
    return Unusable("wrong_size", f"got {size[0]}x{size[1]} pixels, expected at least {min_side} a side")
