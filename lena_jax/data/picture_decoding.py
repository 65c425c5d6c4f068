"""The steps from the bytes of a picture file to upright sRGB pixels, or the reason why there are none.

`pictures.py` runs them in a process with limits. Here nothing bounds the time and memory of a hostile file, except
that a function with the argument `memory` raises `NeedsMore` if a picture of its size needs more.
"""

import contextlib
import functools
import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image, UnidentifiedImageError

from lena_jax.data import missing_jpeg, missing_pixels, picture_colours, picture_files
from lena_jax.data.picture_files import PictureFile
from lena_jax.data.transforms import small_grey
from lena_jax.runtime import file_kinds, limited_worker
from lena_jax.runtime.limited_worker import NeedsMore

# The formats that may be read: none whose decoder runs another program or follows references.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "HEIF", "AVIF", "JXL")
# The same for people.
FORMAT_NAMES = "JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, HEIC, AVIF or JPEG XL"
MAX_PIXELS = 89_478_485
MAX_SIDE = 32_767

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
# What a pixel takes while a picture is decoded and converted. Pillow has four bytes for one, and two or three copies.
_BYTES_PER_PIXEL = 16
_BAND = 1 << 20  # Pixels that are converted at once, where a whole copy would be large.
# A stored PNG of more pixels is packed less: it would take many seconds.
_PACKED = 4 << 20
_STORING_SECONDS = 10
# Formats whose decoders do not tell too little memory from damage.
_VAGUE = (b"RIFF", b"II", b"MM", b"\xff\x0a", b"\0\0\0\x0cJXL")


class BadPicture(ValueError):
    """A picture cannot be used. The message says why; the caller adds the picture's name."""


def prepare() -> None:
    """Make a worker process ready: all formats, and no warnings, which nobody would read."""
    _register()
    warnings.simplefilter("ignore")
    # Pillow would not say the size that it refuses. `_check_size` does.
    Image.MAX_IMAGE_PIXELS = None


def stored(data: bytes, small: int, memory: int | None = None) -> tuple[dict[str, Any], Iterable[bytes]]:
    """Decode a picture file and encode it for storage, see `pictures.decode`.

    Args:
        data: the content of a file.
        small: longest side of the small copy to make; 0 for none.
        memory: how many bytes this may take; None for any number.

    Returns:
        What is known of the stored picture, and its parts: the small copy (grey) and the file, empty if it is `data`.

    Raises:
        BadPicture: see `pictures.decode`.
        NeedsMore: `memory` is too little.
    """
    with _refusals(data, memory), _open(data, memory) as (file, picture):
        upright, ignored = _upright(picture, file)
        _allow_storing(upright)
        known = {"content": content_hash(upright), "profile_ignored": ignored, "size": upright.size, "small": None}
        copy = small_grey(upright, small) if small else None
        if copy is not None:
            known["small"] = copy.size
        unchanged = upright is picture and len(file.data) == len(data)
        content = b"" if unchanged else file.data if upright is picture else _encode(upright, picture.format)
        return known, [b"" if copy is None else copy.tobytes(), content]


def pixels(data: bytes, memory: int | None = None) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Decode a picture file to the pixels that `stored` stores.

    Returns:
        Its size and whether its profile was ignored, and the RGB pixels.

    Raises:
        BadPicture, NeedsMore: see `stored`.
    """
    upright = upright_pixels(data, memory)
    known = {"size": upright.size, "profile_ignored": upright.info.get("profile_ignored", False)}
    return known, _bands(upright)


def header(data: bytes, memory: int | None = None) -> tuple[tuple[str, tuple[int, int]] | None, list[bytes]]:
    """Return format and size (before rotation) by a file's header, None if it cannot be read; and no bytes."""
    try:
        with _opened(picture_files.take_apart(data), memory) as picture:
            return (picture.format, picture.size), []
    except Image.DecompressionBombError:
        return ("", (MAX_SIDE + 1, MAX_SIDE + 1)), []
    except (MemoryError, NeedsMore):
        raise
    # Decoding will say what is wrong with the file.
    except Exception:
        return None, []


def upright_pixels(source: bytes | Image.Image, memory: int | None = None) -> Image.Image:
    """Decode a picture to upright sRGB, loaded, see `pictures.stored_pixels`.

    Raises:
        BadPicture, NeedsMore: see `stored`.
    """
    _register()
    with _refusals(source, memory), contextlib.ExitStack() as stack:
        if isinstance(source, Image.Image):
            file, picture = PictureFile(b"", orientation=_opened_orientation(source)), _load(source, memory)
        else:
            file, picture = stack.enter_context(_open(source, memory))
        upright, ignored = _upright(picture, file)
        if upright is not picture and picture.format in _STORED_AS_JPEG:
            # A PNG is lossless: decoding it again would give the same pixels.
            _allow_storing(upright)
            upright = stack.enter_context(_open(_encode(upright, picture.format), memory))[1]
        if ignored:
            upright = upright.copy() if upright is source else upright
            upright.info["profile_ignored"] = True
        return upright


def content_hash(picture: Image.Image) -> str:
    """Compute the `Picture.content` of a decoded RGB picture."""
    digest = hashlib.sha256(b"%dx%d" % picture.size)
    for band in _bands(picture):
        digest.update(band)
    return digest.hexdigest()[:32]


def _allow_storing(upright):
    """Allow time for what is left, by the number of pixels alone; saying so wakes the parent, so not for few."""
    if upright.width * upright.height > _BAND:
        limited_worker.allow(_STORING_SECONDS)


def _bands(picture):
    """Yield the bytes of the pixels, from the top down, without a copy of all of a large picture."""
    rows = max(1, _BAND // picture.width)
    if rows >= picture.height:
        yield picture.tobytes()
        return
    for top in range(0, picture.height, rows):
        yield picture.crop((0, top, picture.width, min(top + rows, picture.height))).tobytes()


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
def _open(data, memory):
    """Open the picture in the bytes of a file and decode its pixels: its `PictureFile` and the loaded picture."""
    # Pillow parses these in Python, in time quadratic in the number of comments.
    if data[:2] in (b"P1", b"P2", b"P3"):
        raise BadPicture("a PBM, PGM or PPM file with numbers as text is not decoded, expected a binary one")
    file = picture_files.take_apart(data)
    if file.doubtful is not None:
        there = missing_jpeg.share_alike(*file.doubtful)
        if there < 1:
            raise BadPicture(f"does not decode: it is cut off, about {100 * there:.0f} % of the picture is there")
    with _opened(file, memory) as picture:
        if maker := picture_files.raw_photograph(getattr(picture, "tag_v2", {})):
            raise BadPicture(f"is a raw photograph ({maker}) with a small preview: expected {FORMAT_NAMES}")
        limited_worker.forget_said()
        loaded = _load(picture, memory)
        there = missing_pixels.share_there(file, loaded, limited_worker.said())
        if there < missing_pixels.LEAST:
            raise BadPicture(
                f"is incomplete: about {100 * there:.0f} % of the picture is there, "
                f"expected at least {100 * missing_pixels.LEAST:.0f} %"
            )
        yield file, loaded


def _opened(file, memory):
    size = picture_files.jxl_size(file.data)
    if size is not None:
        _check_size(*size, memory)
    return Image.open(io.BytesIO(file.data), formats=FORMATS)


def _load(picture, memory):
    # Only the header has been read so far.
    _check_size(*picture.size, memory)
    picture.load()
    return picture


def _check_size(width, height, memory):
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadPicture(
            f"too many pixels to decode safely: got {width}x{height}, "
            f"expected at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side"
        )
    if memory is not None and width * height * _BYTES_PER_PIXEL > memory:
        raise NeedsMore(width * height * _BYTES_PER_PIXEL)


@contextlib.contextmanager
def _refusals(source, memory):
    """Turn every error of decoding into a `BadPicture`, except too little memory."""
    try:
        with _reasons(source):
            yield
    except BadPicture as error:
        vague = isinstance(source, bytes) and (source.startswith(_VAGUE) or source[4:8] == b"ftyp")
        if memory is not None and vague and str(error).startswith("does not decode"):
            raise NeedsMore(otherwise=error) from error
        raise


@contextlib.contextmanager
def _reasons(source):
    try:
        yield
    except (BadPicture, MemoryError, NeedsMore):
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
        if "out of memory" in str(error):
            raise MemoryError from error
        what = " ".join(str(error).split()) or type(error).__name__
        if "build `libjxl`" in what:
            what = "its JPEG XL data is damaged or cut off"
        raise BadPicture(f"does not decode: {what}") from error


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
        upright.save(buffer, "PNG", compress_level=6 if upright.width * upright.height <= _PACKED else 1)
    return buffer.getvalue()


def _rgb(picture: Image.Image) -> Image.Image:
    """Convert to RGB and drop the metadata."""
    if picture.has_transparency_data:
        rgb = Image.new("RGB", picture.size)
        rows = max(1, _BAND // picture.width)
        for top in range(0, picture.height, rows):
            band = picture.crop((0, top, picture.width, min(top + rows, picture.height))).convert("RGBA")
            white = Image.new("RGBA", band.size, "white")
            rgb.paste(Image.alpha_composite(white, band).convert("RGB"), (0, top))
        return rgb
    rgb = picture.convert("RGB")
    rgb.info = {}
    return rgb
