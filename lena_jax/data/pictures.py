"""Turn a picture file into an upright RGB picture (pixels, or a JPEG or PNG to store), or say why it cannot be used.

Building a dataset and scoring use the same steps, so a picture gets the same score in both.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import threading
import warnings

from PIL import Image, UnidentifiedImageError

from lena_jax.data import picture_colours, picture_files
from lena_jax.data.picture_files import PictureFile
from lena_jax.data.transforms import small_grey
from lena_jax.runtime import file_kinds
from lena_jax.runtime.files import open_plain, too_large

# The formats that may be read: none whose decoder runs another program or follows references.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "HEIF", "AVIF", "JXL")
# The same for people, and file name endings of them, to find pictures in a folder.
FORMAT_NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, HEIC, AVIF or JPEG XL"
ENDINGS = tuple(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .heic .heif .hif .avif "
    ".jxl".split()
)
# Limits that keep a hostile or broken file from using up the machine.
MAX_PIXELS = 89_478_485
MAX_SIDE = 32_767
MAX_FILE_BYTES = 256 << 20

_ORIENTATION = 0x0112
# These are lossy already, so they are stored as JPEGs. MPO is a JPEG followed by more pictures.
_STORED_AS_JPEG = ("JPEG", "MPO", "HEIF", "AVIF")
# Their decoders apply the orientation.
_UPRIGHT = ("HEIF", "JXL", "TIFF")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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
        profile_ignored: whether the file has a colour profile that is damaged or does not fit, so that its numbers were
            taken for sRGB.
        small: a small grey copy, if it was asked for.
    """

    data: bytes
    content: str
    profile_ignored: bool = False
    small: Image.Image | None = dataclasses.field(default=None, compare=False, repr=False)


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
        BadPicture: not a picture, truncated, without a defined white, or too large to decode safely.
    """
    _register()
    with warnings.catch_warnings(), _refusals(data):
        # Pillow's warnings about damaged metadata do not matter here; one about a decompression bomb does.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _open(data) as (file, picture):
            upright, ignored = _upright(picture, file)
            known = content_hash(upright), ignored, small_grey(upright, small) if small else None
            if upright is picture:
                return Picture(data if len(file.data) == len(data) else file.data, *known)
            return Picture(_encode(upright, picture.format), *known)


def stored_pixels(source: bytes | Image.Image) -> Image.Image:
    """Decode a picture to the same pixels that `decode(source).data` stores: upright sRGB, loaded.

    If its profile had to be ignored, `info["profile_ignored"]` is True.

    Safe to call from several threads. Unlike `decode`, it does not change Python's warning filters, so Pillow's
    warnings about damaged metadata are shown.

    Args:
        source: the content of a file, or an opened picture. An opened picture stays open, and its current frame is
            used. If Pillow read it from a file, it is treated as that file would be.

    Raises:
        BadPicture: see `decode`.
    """
    _register()
    try:
        return _stored_pixels(source)
    except Warning:
        # Happens only where warnings are errors, as in tests. Warning filters are not thread-safe, hence the lock.
        with _WARNINGS, warnings.catch_warnings(), _refusals(source):
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


def header(data: bytes) -> tuple[str, tuple[int, int]] | None:
    """Return format and size (before rotation) by a file's header; None if it cannot be read."""
    _register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _opened(picture_files.take_apart(data)) as picture:
                return picture.format, picture.size
        except Image.DecompressionBombError:
            return "", (MAX_SIDE + 1, MAX_SIDE + 1)
        # Decoding will say what is wrong with the file.
        except Exception:
            return None


def _stored_pixels(source):
    with _refusals(source), contextlib.ExitStack() as stack:
        if isinstance(source, Image.Image):
            file, picture = PictureFile(b"", orientation=_opened_orientation(source)), _load(source)
        else:
            file, picture = stack.enter_context(_open(source))
        upright, ignored = _upright(picture, file)
        if upright is not picture and picture.format in _STORED_AS_JPEG:
            # A PNG is lossless: decoding it again would give the same pixels.
            upright = stack.enter_context(_open(_encode(upright, picture.format)))[1]
        if ignored:
            upright = upright.copy() if upright is source else upright
            upright.info["profile_ignored"] = True
        return upright


@functools.cache
def _register():
    """Let Pillow know all formats. It would otherwise try a few common ones first."""
    import pillow_heif

    with contextlib.suppress(ImportError):
        # It does not exist for every kind of machine.
        import pillow_jxl  # noqa: F401
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    Image.init()


@contextlib.contextmanager
def _open(data):
    """Open the picture in the bytes of a file and decode its pixels: its `PictureFile` and the loaded picture."""
    _check_bytes(len(data))
    # Pillow parses these in Python, in time quadratic in the number of comments.
    if data[:2] in (b"P1", b"P2", b"P3"):
        raise BadPicture("a PBM, PGM or PPM file with numbers as text is not decoded, expected a binary one")
    file = picture_files.take_apart(data)
    if file.doubtful is not None:
        first, second = ([*_pixels(one)] for one in file.doubtful)
        if first != second:
            raise BadPicture("does not decode: it is cut off, so the end of the picture is missing")
    with _opened(file) as picture:
        if maker := picture_files.raw_photograph(getattr(picture, "tag_v2", {})):
            raise BadPicture(f"is a raw photograph ({maker}) with a small preview: expected {FORMAT_NAMES}")
        yield file, _load(picture)


def _opened(file):
    size = picture_files.jxl_size(file.data)
    if size is not None:
        _check_size(*size)
    return Image.open(io.BytesIO(file.data), formats=FORMATS)


def _pixels(data):
    """Yield the pixels of a JPEG, to compare two."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        yield _load(picture).tobytes()


def _load(picture):
    # Only the header has been read so far.
    _check_size(*picture.size)
    picture.load()
    return picture


def _check_size(width, height):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadPicture(
            f"too many pixels to decode safely: got {width}x{height}, "
            f"expected at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side"
        )


@contextlib.contextmanager
def _refusals(source):
    """Turn every error of decoding into a `BadPicture`, except a warning where warnings are errors."""
    try:
        yield
    except BadPicture:
        raise
    except (picture_files.BadFile, picture_colours.Undefined) as error:
        raise BadPicture(str(error)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"too many pixels to decode safely, expected at most {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        # Pillow's own message only has the address of a buffer.
        kind = file_kinds.name_of(source) if isinstance(source, bytes) else None
        what = f"it is {kind}, " if kind else ""
        if any(name in what for name in (" JPEG ", " PNG ", " TIFF ", " HEIC ", " AVIF ", " WebP ", " GIF ")):
            what = f"it is {kind} of a sort that is not read, or damaged; "
        raise BadPicture(f"does not decode: {what}expected {FORMAT_NAMES}") from error
    except Warning:
        raise
    # A decoder may raise almost anything on hostile bytes; to the caller all of it means the same.
    except Exception as error:
        raise BadPicture(f"does not decode: {error or type(error).__name__}") from error


def _check_bytes(count):
    if count > MAX_FILE_BYTES:
        raise BadPicture(too_large(count, MAX_FILE_BYTES))


def _upright(picture, file):
    """Return an upright sRGB picture, the same object if it is one already, and whether its profile was ignored."""
    profile = picture.info.get("icc_profile") or b"" if file.profile is None else file.profile
    colours = picture_colours.to_8_bits(picture, file.deep)
    stated = picture.info.get("nclx_profile") or {}
    code = file.code or (stated.get("color_primaries", 1), stated.get("transfer_characteristics", 13))
    colours, ignored = picture_colours.to_srgb(colours, bytes(profile), code)
    orientation = file.orientation
    if orientation is None:
        exif = b"" if picture.format in _UPRIGHT else picture.info.get("exif", b"")
        orientation = picture_files.orientation_of(exif)
    if orientation in _TURNS:
        colours = colours.transpose(_TURNS[orientation])
    as_it_is = colours is picture and picture.mode == "RGB" and picture.format in ("JPEG", "MPO")
    return (picture if as_it_is else _rgb(colours)), ignored


def _opened_orientation(picture):
    """Return the orientation of a picture that the caller opened, and may have changed."""
    if picture.format in _UPRIGHT:
        return 1
    try:
        return picture.getexif().get(_ORIENTATION, 1)
    # Damaged metadata gives almost anything.
    except Exception:
        return 1


def _encode(upright, origin):
    buffer = io.BytesIO()
    if origin in _STORED_AS_JPEG:
        upright.save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    else:
        upright.save(buffer, "PNG")
    return buffer.getvalue()


def _rgb(picture: Image.Image) -> Image.Image:
    """Convert to RGB and drop the metadata."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    rgb = picture.convert("RGB")
    rgb.info = {}
    return rgb
