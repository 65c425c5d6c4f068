"""Turn a picture file into an upright RGB picture (pixels, or a JPEG or PNG to store), or say why it cannot be used.

Building a dataset and scoring use the same steps, so a picture gets the same score in both. Files are decoded in worker
processes with limits (`runtime/limited.py`): at most `SECONDS` of processor time a picture, and `limited.MEMORY` bytes
for all pictures that are decoded at the same time.
"""

import contextlib
import dataclasses
import functools
import os
import threading
import warnings
from collections.abc import Iterator

from PIL import Image

from lena_jax.data import picture_decoding
from lena_jax.data.picture_decoding import BadPicture, content_hash
from lena_jax.runtime import limited
from lena_jax.runtime.files import open_plain, too_large

__all__ = [
    "BadPicture",
    "Picture",
    "content_hash",
    "decode",
    "decoded",
    "header",
    "is_hidden",
    "read",
    "stored_pixels",
    "to_rgb",
]

# File name endings of `picture_decoding.FORMATS`, to find pictures in a folder.
ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .heic .heif .hif .avif "
    ".jxl".split()
)
# What systems leave in folders: thumbnails, deleted files, what an archive says of its files.
_LEFT_BY_SYSTEMS = frozenset("__macosx thumbs.db desktop.ini @eadir #recycle $recycle.bin".split())
FORMAT_NAMES = picture_decoding.FORMAT_NAMES
# Limits that keep a hostile or broken file from using up the machine.
MAX_PIXELS, MAX_SIDE = picture_decoding.MAX_PIXELS, picture_decoding.MAX_SIDE
MAX_FILE_BYTES = 256 << 20
# Of processor time for one picture, less what starting a process and copying pixels takes of 3 seconds.
SECONDS = 2.5

_WARNINGS = threading.Lock()
_DECODING = "lena_jax.data.picture_decoding:"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture ready to be stored.

    Attributes:
        data: the bytes of an upright RGB JPEG or PNG.
        content: hash of the size and the upright RGB pixels, 32 hexadecimal digits. Equal pictures have equal hashes,
            whatever their formats and metadata.
        size: width and height of the upright picture in pixels.
        profile_ignored: whether the file has a colour profile that is damaged or does not fit, so that its numbers were
            taken for sRGB.
        small: a small grey copy, if it was asked for.
    """

    data: bytes
    content: str
    size: tuple[int, int]
    profile_ignored: bool = False
    small: Image.Image | None = dataclasses.field(default=None, compare=False, repr=False)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is passed over in folders: hidden, or what systems leave there.

    Example:
        >>> [is_hidden(name) for name in ("._IMG_1.jpg", "@eaDir", "Thumbs.db", "IMG_1.jpg")]
        [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def to_rgb(data: bytes) -> bytes:
    """Convert a picture file to the bytes of an upright RGB JPEG or PNG; see `decode`."""
    return decode(data).data


def decode(data: bytes, small: int = 0) -> Picture:
    """Decode a picture file and encode it for storage.

    An sRGB JPEG without EXIF rotation is returned byte for byte, without metadata and what follows the picture.
    Other JPEGs, HEIC and AVIF are encoded again at high quality, all other formats as PNG. Colours are brought to sRGB
    through the picture's profile; EXIF rotation is applied; grey, CMYK and palette pictures become RGB; more bits
    become 8; transparent areas become white; an animation gives its first frame.

    Args:
        data: the content of a file.
        small: longest side of the small copy to make; 0 for none.

    Raises:
        BadPicture: not a picture, truncated, without a defined white, or it needs more pixels, time or memory than it
            may.
    """
    with _called("stored", data, small=small) as answer:
        content = b"".join(answer.parts)
    known, copy = answer.known, None
    if known["small"] is not None:
        width, height = known["small"]
        copy = Image.frombytes("L", (width, height), content[: width * height])
        content = content[width * height :]
    return Picture(content or data, known["content"], tuple(known["size"]), known["profile_ignored"], copy)


def stored_pixels(source: bytes | Image.Image) -> Image.Image:
    """Decode a picture to the same pixels that `decode(source).data` stores: upright sRGB, loaded.

    If its profile had to be ignored, `info["profile_ignored"]` is True. Safe to call from several threads.

    Args:
        source: the content of a file, or an opened picture. An opened picture stays open, and its current frame is
            used. If Pillow read it from a file, it is treated as that file would be. It is decoded in this process,
            without the limits on time and memory: who opened it has read the file already.

    Raises:
        BadPicture: see `decode`.
    """
    with decoded(source) as picture:
        return picture


@contextlib.contextmanager
def decoded(source: bytes | str | os.PathLike | Image.Image) -> Iterator[Image.Image]:
    """Decode a picture as `stored_pixels` does, for use within a context.

    Until the context ends, the memory that the picture takes counts: large pictures in several threads wait for each
    other. The thread must not decode another picture within it.

    Args:
        source: also the path of a file.

    Raises:
        BadPicture: see `decode` and `read`.
    """
    if isinstance(source, Image.Image):
        yield _of_opened(source)
        return
    with _called("pixels", source) as answer:
        yield _picture(answer)


def read(path: str | os.PathLike) -> bytes:
    """Read the content of a picture file.

    Raises:
        BadPicture: no such file, not a plain file (reading a pipe could block), unreadable, or larger than
            `MAX_FILE_BYTES`.
    """
    with open_plain(path, MAX_FILE_BYTES, BadPicture) as file:
        try:
            # The file may grow while it is read. A read of the greatest size would reserve that much.
            return file.read(os.fstat(file.fileno()).st_size + 1)
        except OSError as error:
            raise BadPicture(f"cannot be read: {error.strerror or error}") from error


def header(data: bytes) -> tuple[str, tuple[int, int]] | None:
    """Return format and size (before rotation) by a file's header; None if it cannot be read."""
    try:
        with _called("header", data) as answer:
            return answer.known and (answer.known[0], tuple(answer.known[1]))
    except BadPicture:
        return None


def _of_opened(picture):
    try:
        try:
            return picture_decoding.upright_pixels(picture)
        except Warning:
            # Happens only where warnings are errors, as in tests. Warning filters are not thread-safe, hence the lock.
            with _WARNINGS, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return picture_decoding.upright_pixels(picture)
    except MemoryError as error:
        raise BadPicture("too large for the available memory") from error


@contextlib.contextmanager
def _called(function, source, **options):
    if isinstance(source, bytes):
        size, data = len(source), source
        if size > MAX_FILE_BYTES:
            raise BadPicture(too_large(size, MAX_FILE_BYTES))
    else:
        # Files are read when there is room for them.
        size, data = _size(source), functools.partial(read, source)
    errors = {"BadPicture": BadPicture}
    try:
        with limited.called(
            _DECODING + function, data, size=size, cpu=SECONDS, errors=errors, options=options
        ) as answer:
            yield answer
    except limited.Exceeded as error:
        raise BadPicture(f"is not decoded: it {error}") from error


def _size(path):
    try:
        return min(os.stat(path).st_size, MAX_FILE_BYTES)
    except (OSError, ValueError):  # Reading says what is wrong.
        return 0


def _picture(answer):
    """Put the pixels of an answer together, without a copy of all of them."""
    width, height = answer.known["size"]
    if answer.size <= limited.PART:
        picture = Image.frombytes("RGB", (width, height), b"".join(answer.parts))
    else:
        picture, rest, top = Image.new("RGB", (width, height)), b"", 0
        for part in answer.parts:
            rest += part
            rows = len(rest) // (3 * width)
            picture.paste(Image.frombytes("RGB", (width, rows), rest[: 3 * width * rows]), (0, top))
            rest, top = rest[3 * width * rows :], top + rows
    if answer.known["profile_ignored"]:
        picture.info["profile_ignored"] = True
    return picture
