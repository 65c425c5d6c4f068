"""Turn a picture file into an upright RGB picture (pixels, or a JPEG or PNG to store), or say why it cannot be used.

Building a dataset and scoring use the same steps, so a picture gets the same score in both.
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

# The formats that Pillow may read: none that runs another program or follows references.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# Limits that keep a hostile or broken file from using up the machine.
MAX_PIXELS = 89_478_485
MAX_SIDE = 32_767
MAX_FILE_BYTES = 256 << 20
# Most scans of a progressive JPEG, which usually has about ten. Each costs a pass over the picture, even at 60 bytes.
MAX_SCANS = 100

_ORIENTATION = 0x0112
# MPO is a JPEG followed by more pictures; stereo cameras and some phones write it.
_JPEG = ("JPEG", "MPO")
# Marks the start of a scan. These two bytes never follow each other inside a scan.
_SCAN = b"\xff\xda"
_WARNINGS = threading.Lock()


class BadPicture(ValueError):
    """A picture cannot be used. The message says why; the caller adds the picture's name."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture ready to be stored.

    Attributes:
        data: the bytes of an upright RGB JPEG or PNG.
        content: hash of the size and the upright RGB pixels, 32 hexadecimal digits. Equal pictures have equal hashes,
            whatever their formats and metadata.
    """

    data: bytes
    content: str


def to_rgb(data: bytes) -> bytes:
    """Convert a picture file to the bytes of an upright RGB JPEG or PNG; see `decode`."""
    return decode(data).data


def decode(data: bytes) -> Picture:
    """Decode a picture file and encode it for storage.

    An RGB JPEG without EXIF rotation is returned byte for byte. Other JPEGs are encoded again at high quality, all
    other formats as PNG. EXIF rotation is applied; grey, CMYK and palette pictures become RGB; 16 bits become 8;
    transparent areas become white; an animation gives its first frame.

    Raises:
        BadPicture: not a picture, truncated, or too large to decode safely.
    """
    # Registers every format. Pillow would otherwise try a few common ones first. Repeated calls cost nothing.
    Image.init()
    with warnings.catch_warnings(), _refusals():
        # Pillow's warnings about damaged metadata do not matter here; one about a decompression bomb does.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _open(data) as picture:
            if _is_stored_as_it_is(picture):
                return Picture(data, content_hash(picture))
            upright = _upright(picture)
            return Picture(_encode(upright, picture.format), content_hash(upright))


def stored_pixels(source: bytes | Image.Image) -> Image.Image:
    """Decode a picture to the same pixels that `decode(source).data` stores: upright RGB, loaded.

    Safe to call from several threads. Unlike `decode`, it does not change Python's warning filters, so Pillow's
    warnings about damaged metadata are shown.

    Args:
        source: the content of a file, or an opened picture. An opened picture stays open, and its current frame is
            used. If Pillow read it from a file, it is treated as that file would be.

    Raises:
        BadPicture: see `decode`.
    """
    Image.init()
    try:
        return _stored_pixels(source)
    except Warning:
        # Happens only where warnings are errors, as in tests. Warning filters are not thread-safe, hence the lock.
        with _WARNINGS, warnings.catch_warnings(), _refusals():
            warnings.simplefilter("ignore")
            return _stored_pixels(source)


def read(path: str | os.PathLike) -> bytes:
    """Read the content of a picture file.

    Raises:
        BadPicture: no such file, not a plain file (reading a pipe could block), unreadable, or larger than
            `MAX_FILE_BYTES`.
    """
    with open_plain(path, MAX_FILE_BYTES, BadPicture) as file:
        try:
            # The file may grow while it is read.
            return file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise BadPicture(f"cannot be read: {error.strerror or error}") from error


def content_hash(picture: Image.Image) -> str:
    """Compute the `Picture.content` of a decoded RGB picture."""
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
        # A PNG is lossless: decoding it again would give the same pixels.
        return stack.enter_context(_open(_encode(upright, picture.format))) if picture.format in _JPEG else upright


@contextlib.contextmanager
def _open(data):
    """Open the picture in the bytes of a file and decode its pixels."""
    _check_bytes(len(data))
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.format in _JPEG and (scans := data.count(_SCAN)) > MAX_SCANS:
            raise BadPicture(f"too many scans to decode safely: got {scans:,}, expected at most {MAX_SCANS}")
        # Pillow parses these in Python, in time quadratic in the number of comments.
        if data[:2] in (b"P1", b"P2", b"P3"):
            raise BadPicture("a PBM, PGM or PPM file with numbers as text is not decoded, expected a binary one")
        yield _load(picture)


def _load(picture):
    # Only the header has been read so far.
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
    """Turn every error of decoding into a `BadPicture`, except a warning where warnings are errors."""
    try:
        yield
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"too many pixels to decode safely, expected at most {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        # Pillow's own message only has the address of a buffer.
        raise BadPicture(f"does not decode: expected one of {', '.join(FORMATS)}") from error
    except Warning:
        raise
    # A decoder may raise almost anything on hostile bytes; to the caller all of it means the same.
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
    """Convert to RGB and drop the metadata."""
    if picture.mode == "F":
        raise BadPicture("floating-point pixels have no defined white: store the picture with 8 or 16 bits")
    if picture.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255, which turns the picture white.
        picture = picture.convert("I").point(lambda value: value / 257).convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    rgb = picture.convert("RGB")
    rgb.info = {}
    return rgb
