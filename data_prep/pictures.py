"""Any picture file to bytes that every reader understands, an upright RGB JPEG or PNG, or a clear refusal."""

import dataclasses
import hashlib
import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

# What Pillow is asked to read: no format that runs another program or follows references.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
# Bounds that keep one hostile or mistaken file from taking the machine down.
MAX_PIXELS = 89_478_485
MAX_SIDE = 32_767
MAX_FILE_BYTES = 256 << 20

_ORIENTATION = 0x0112


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
    if len(data) > MAX_FILE_BYTES:
        raise BadPicture(f"file too large: got {len(data):,} bytes, expected at most {MAX_FILE_BYTES:,}")
    # Registers every format; Pillow otherwise knows a few until those fail. Repeating it is free.
    Image.init()
    with warnings.catch_warnings():
        # Pillow warns about damaged metadata, which does not matter here; a bomb does.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _convert(data)
        except BadPicture:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadPicture(f"too many pixels to decode safely, expected at most {MAX_PIXELS:,}") from error
        except UnidentifiedImageError as error:
            # Pillow's message names the address of a buffer.
            raise BadPicture(f"does not decode: expected one of {', '.join(FORMATS)}") from error
        # A decoder fed with hostile bytes raises almost anything; all of it means the same to the caller.
        except Exception as error:
            raise BadPicture(f"does not decode: {error or type(error).__name__}") from error


def content_hash(picture: Image.Image) -> str:
    """Returns the `Picture.content` of a decoded RGB picture."""
    digest = hashlib.sha256(b"%dx%d" % picture.size)
    digest.update(picture.tobytes())
    return digest.hexdigest()[:32]


def _convert(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        # Only the header is read so far.
        width, height = picture.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise BadPicture(
                f"too many pixels to decode safely: got {width}x{height}, "
                f"expected at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} a side"
            )
        picture.load()
        # MPO: a JPEG with more pictures behind it, as stereo and some phone cameras write.
        is_jpeg = picture.format in ("JPEG", "MPO")
        rotated = picture.getexif().get(_ORIENTATION, 1) != 1
        if picture.format == "JPEG" and picture.mode == "RGB" and not rotated:
            return Picture(data, content_hash(picture))
        upright = _rgb(ImageOps.exif_transpose(picture) if rotated else picture)
        buffer = io.BytesIO()
        if is_jpeg:
            upright.save(buffer, "JPEG", quality=95, subsampling="4:4:4")
        else:
            upright.save(buffer, "PNG")
        return Picture(buffer.getvalue(), content_hash(upright))


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
