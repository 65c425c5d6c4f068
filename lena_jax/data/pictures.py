"""Any picture file to an upright RGB picture, as pixels or as a JPEG or PNG to be stored, or a clear refusal.

What a data set is built from and what is scored later goes through the same steps, so that a picture has one score.
"""

import contextlib
import dataclasses
import hashlib
import io
import os
import threading
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from lena_jax.runtime.files import open_plain, too_large

# What Pillow is asked to read: no format that runs another program or follows references.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# Bounds that keep one hostile or mistaken file from taking the machine down.
MAX_PIXELS = 89_478_485
MAX_SIDE = 32_767
MAX_FILE_BYTES = 256 << 20
# Of a progressive JPEG, which has ten or so: each is a pass over the whole picture, for as few as 60 bytes.
MAX_SCANS = 100

_ORIENTATION = 0x0112
# MPO: a JPEG with more pictures behind it, as stereo and some phone cameras write.
_JPEG = ("JPEG", "MPO")
# What a scan begins with; inside of one these bytes do not follow each other.
_SCAN = b"\xff\xda"
_WARNINGS = threading.Lock()


class BadPicture(ValueError):
    """A picture that cannot be used; the message says why, and the caller knows its name."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture ready to be stored.

    Attributes:
        data: the bytes of an upright RGB JPEG or PNG.
        content: hash of the size and upright RGB pixels: 32 hexadecimal digits, equal for equal pictures
            whatever their format and metadata.
    """

    data: bytes
    content: str


def to_rgb(data: bytes) -> bytes:
    """Returns the picture in `data` as the bytes of an upright RGB JPEG or PNG; see `decode`."""
    return decode(data).data


def decode(data: bytes) -> Picture:
    """Returns the picture in `data`, as it is to be stored.

    An RGB JPEG without EXIF rotation is returned as it is, byte for byte. Other JPEGs are stored again at
    high quality, all else as PNG: rotated as EXIF says, grey, CMYK and palette converted, 16 bits brought to
    8, transparency laid on white, the first frame of an animation.

    Raises:
        BadPicture: not a picture, truncated, or too large to decode safely.
    """
    # Registers every format; Pillow otherwise knows a few until those fail. Repeating it is free.
    Image.init()
    with warnings.catch_warnings(), _refusals():
        # Pillow warns about damaged metadata, which does not matter here; a bomb does.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _open(data) as picture:
            if _is_stored_as_it_is(picture):
                return Picture(data, content_hash(picture))
            upright = _upright(picture)
            return Picture(_encode(upright, picture.format), content_hash(upright))


def stored_pixels(source: bytes | Image.Image) -> Image.Image:
    """Returns the picture as whoever reads `decode(source).data` sees it: upright RGB, loaded.

    May be called in several threads at a time: unlike `decode`, it leaves Python's list of warnings to be shown as it
    is, so that Pillow's warnings about damaged metadata come through.

    Args:
        source: the content of a file, or an opened picture, which stays open and is taken at the frame it is at. One
            that Pillow read from a file is treated as the file would be.

    Raises:
        BadPicture: as of `decode`.
    """
    Image.init()
    try:
        return _stored_pixels(source)
    except Warning:
        # Only where warnings are turned into errors, in tests; their list is not safe to change in threads.
        with _WARNINGS, warnings.catch_warnings(), _refusals():
            warnings.simplefilter("ignore")
            return _stored_pixels(source)


def read(path: str | os.PathLike) -> bytes:
    """Returns the content of a picture file.

    Raises:
        BadPicture: no such file, not a plain file (a pipe would be waited for), unreadable, or larger than
            `MAX_FILE_BYTES`.
    """
    with open_plain(path, MAX_FILE_BYTES, BadPicture) as file:
        try:
            # It may grow meanwhile.
            return file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise BadPicture(f"cannot be read: {error.strerror or error}") from error


def content_hash(picture: Image.Image) -> str:
    """Returns the `Picture.content` of a decoded RGB picture."""
    digest = hashlib.sha256(b"%dx%d" % picture.size)
    digest.update(picture.tobytes())
    return digest.hexdigest()[:32]


def _stored_pixels(source):
    with _refusals(), contextlib.ExitStack() as stack:
        if isinstance(source, Image.Image):
            picture = _load(source)
        else:
            picture = stack.enter_context(_open(source))
        if _is_stored_as_it_is(picture):
            return picture
        upright = _upright(picture)
        # What a PNG would give back is known.
        return stack.enter_context(_open(_encode(upright, picture.format))) if picture.format in _JPEG else upright


@contextlib.contextmanager
def _open(data):
    """The picture in the bytes of a file, its pixels decoded."""
    _check_bytes(len(data))
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.format in _JPEG and (scans := data.count(_SCAN)) > MAX_SCANS:
            raise BadPicture(f"too many scans to decode safely: got {scans:,}, expected at most {MAX_SCANS}")
        # Pillow reads them in Python, in a time that grows with the square of the number of comments.
        if data[:2] in (b"P1", b"P2", b"P3"):
            raise BadPicture("a PBM, PGM or PPM file with numbers as text is not decoded, expected a binary one")
        yield _load(picture)


def _load(picture):
    # Only the header is read so far.
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadPicture(
            f"too many pixels to decode safely: got {width}x{height}, "
            f"expected at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side"
        )
    picture.load()
    return picture


@contextlib.contextmanager
def _refusals():
    """Whatever goes wrong in decoding is a `BadPicture`, except where warnings are errors and one comes up."""
    try:
        yield
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"too many pixels to decode safely, expected at most {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        # Pillow's message names the address of a buffer.
        raise BadPicture(f"does not decode: expected one of {', '.join(FORMATS)}") from error
    except Warning:
        raise
    # A decoder fed with hostile bytes raises almost anything; all of it means the same to the caller.
    except Exception as error:
        raise BadPicture(f"does not decode: {error or type(error).__name__}") from error


def _check_bytes(count):
    if count > MAX_FILE_BYTES:
        raise BadPicture(too_large(count, MAX_FILE_BYTES))


def _is_rotated(picture):
    return picture.getexif().get(_ORIENTATION, 1) != 1


def _is_stored_as_it_is(picture):
    return picture.format == "JPEG" and picture.mode == "RGB" and not _is_rotated(picture)


def _upright(picture):
    return _rgb(ImageOps.exif_transpose(picture) if _is_rotated(picture) else picture)


def _encode(upright, origin):
    buffer = io.BytesIO()
    if origin in _JPEG:
        upright.save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    else:
        upright.save(buffer, "PNG")
    return buffer.getvalue()


def _rgb(picture: Image.Image) -> Image.Image:
    """Converts to RGB and leaves the metadata behind."""
    if picture.mode == "F":
        raise BadPicture("floating-point pixels have no defined white: store the picture with 8 or 16 bits")
    if picture.mode.startswith("I"):
        # Pillow's own conversion clips 16 bits at 255, which turns the picture white.
        picture = picture.convert("I").point(lambda value: value / 257).convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    rgb = picture.convert("RGB")
    rgb.info = {}
    return rgb
