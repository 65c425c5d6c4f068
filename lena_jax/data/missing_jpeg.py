"""How much of a JPEG is there. Its decoder fills in what is missing, and says nothing.

A quick look at the decoded pixels tells whether anything can be missing: then the end of the picture has one colour.
Only such a JPEG is decoded again, with noise behind its coded pixels: the noise changes what is missing, and nothing
else.
"""

import dataclasses
import hashlib
import io
import math
import re

import numpy as np
from PIL import Image

from lena_jax.data.picture_files import PictureFile

# Of 256: what means of blocks of one colour differ by, after rounding.
_FLAT = 2
# A marker that ends a scan; FF 00 is a byte of the scan, FF D0 to FF D7 part it.
_END_OF_SCAN = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
# 256 bytes each, without FF. (NumPy's generator would make the start of each worker longer.)
_NOISE = tuple(
    b"".join(hashlib.sha256(bytes((seed, part))).digest() for part in range(8)).replace(b"\xff", b"\xfe")
    for seed in (1, 2)
)


def share_there(file: PictureFile, picture: Image.Image, least: float) -> float:
    """Return which share of the pixels is in the file, 0 to 1. What is above `least` may be returned as 1.

    A progressive JPEG needs all its scans: of one with some missing, it is the share of the coefficients.

    Args:
        file: what the decoder saw.
        picture: the loaded picture, in a mode of a JPEG.
        least: the least share that matters.
    """
    # A coder that starts again may lack pixels anywhere in the picture; otherwise only its end can be missing.
    one_scan = file.scans == 1 and not picture.info.get("progressive")
    if one_scan and not (_much_is_flat(picture, least) if file.restarts else _ends_flat(picture, least)):
        return 1.0
    data = file.data
    components, scans = _scans(data)
    share = _coefficients_there(components, scans) if picture.info.get("progressive") else 1.0
    share = min(share, len({name for scan in scans for name in scan.components}) / max(1, len(components)))
    starts = [scan for scan in scans if scan.first == scan.high == 0]
    if share < least or (len(starts) == 1 and not scans[0].restart and not _ends_flat(picture, least)):
        return share
    plain = np.asarray(_opened(data, 8))
    plain = plain.reshape(*plain.shape[:2], -1)
    differs = np.zeros(plain.shape[:2], bool)
    for noise in _NOISE:
        noisy = np.asarray(_opened(_with_noise(data, starts, noise, picture.size), 8))
        differs |= (noisy.reshape(plain.shape) != plain).any(-1)
        # What is missing changes with any noise. The second one finds units that the first left as they were.
        if not differs.any():
            break
    return min(share, *(1 - _missing(differs, scan, components) for scan in starts))


def share_alike(first: bytes, second: bytes) -> float:
    """Return which share of the pixels two JPEGs with the same start have in common, from the top down."""
    one, other = (np.asarray(_opened(data)) for data in (first, second))
    different = np.flatnonzero((one != other).any(axis=tuple(range(1, one.ndim))))
    return 1.0 if not len(different) else float(different[0] / len(one))


@dataclasses.dataclass(frozen=True)
class _Scan:
    """A scan of a JPEG.

    Attributes:
        start, end: where its coded pixels lie.
        components: its components.
        first, last: its coefficients.
        high: how many bits of them were left out before; 0 if this scan is the first of them.
        low: how many bits are left out of them.
        restart: after how many units the coder starts again; 0 for never.
    """

    start: int
    end: int
    components: tuple[int, ...]
    first: int
    last: int
    high: int
    low: int
    restart: int


def _missing(differs, scan, components):
    """Return which share of a scan is missing: in each interval of its coder, what follows the first difference.

    Args:
        differs: [h, w], for each block of 8 pixels.
        scan: the scan.
        components: see `_scans`.
    """
    most = np.array([components[name] for name in components]).max(0)
    # The unit of the coder is a block of each component, or of the only one.
    own = components.get(scan.components[0], (1, 1)) if len(scan.components) == 1 else (1, 1)
    wide, high = np.maximum(1, most // own)
    rows, columns = -(-differs.shape[0] // high), -(-differs.shape[1] // wide)
    units = np.zeros((rows * high, columns * wide), bool)
    units[: differs.shape[0], : differs.shape[1]] = differs
    units = units.reshape(rows, high, columns, wide).any((1, 3)).ravel()
    length = scan.restart or len(units)
    intervals = np.concatenate([units, np.zeros(-len(units) % length, bool)]).reshape(-1, length)
    after = np.maximum.accumulate(intervals, axis=1).ravel()[: len(units)]
    return float(after.mean())


def _scans(data):
    """Return the components of a JPEG with their sampling (horizontal, vertical), and its scans."""
    components, scans, restart, place = {}, [], 0, 2
    while found := _END_OF_SCAN.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == 0xD9:
            break
        length = int.from_bytes(data[place : place + 2], "big")
        part = data[place + 2 : place + length]
        if marker == 0xDD:
            restart = int.from_bytes(part[:2], "big")
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = {part[at]: (part[at + 1] >> 4, part[at + 1] & 15) for at in range(6, len(part) - 2, 3)}
        elif marker == 0xDA and len(part) > 3 + 2 * part[0]:
            count = part[0]
            end = _END_OF_SCAN.search(data, place + length)
            scans.append(
                _Scan(
                    place + length,
                    end.start() if end else len(data),
                    tuple(part[1 : 1 + 2 * count : 2]),
                    part[1 + 2 * count],
                    part[2 + 2 * count],
                    part[3 + 2 * count] >> 4,
                    part[3 + 2 * count] & 15,
                    restart,
                )
            )
        place += length
    return components, scans


def _coefficients_there(components, scans):
    """Return which share of the coefficients of a progressive JPEG is there to the last bit."""
    left = np.full((256, 64), 16)
    for scan in scans:
        for name in scan.components:
            part = left[name, scan.first : scan.last + 1]
            np.minimum(part, scan.low, out=part)
    there = left[list(components)] == 0
    return float(there.mean()) if components else 0.0


def _with_noise(data, scans, noise, size):
    """Return a JPEG with noise behind the end of these scans, which changes nothing if they are whole."""
    parts, place = [], 0
    for scan in scans:
        parts.append(data[place : scan.start])
        coded, place = data[scan.start : scan.end], scan.end
        if scan.restart:
            pieces = _RESTART.split(coded)
            # The smallest unit is one block.
            most = math.ceil(math.ceil(size[0] / 8) * math.ceil(size[1] / 8) / scan.restart)
            some = noise[: 256 if most < 1000 else 32]
            pieces += [b""] * min(max(0, most - len(pieces)), 1 << 16)
            for number, piece in enumerate(pieces):
                parts += [piece, some, bytes((0xFF, 0xD0 + number % 8))]
        else:
            parts += [coded, noise]
    return b"".join([*parts, data[place:]])


def _opened(data, smaller=1):
    picture = Image.open(io.BytesIO(data), formats=("JPEG",))
    if smaller > 1:
        picture.draft(None, (max(1, picture.width // smaller), max(1, picture.height // smaller)))
    picture.load()
    return picture


def _ends_flat(picture, least):
    """Return whether the end of a JPEG has one colour: all of it that is missing if a twentieth of the picture is."""
    width, height = picture.size
    # Units are 8 or 16 pixels high and wide.
    left = 16 * int(width * max(0, 1 - (1 - least) * math.ceil(height / 16)) / 16)
    end = picture.crop((min(left, 16 * ((width - 1) // 16)), 8 * ((height - 1) // 8), width, height))
    # Colours are smoothed across blocks; their light is not.
    low, high = end.convert("L").reduce(8).getextrema()
    return high - low <= _FLAT


def _much_is_flat(picture, least):
    """Return whether a twentieth of the blocks of a JPEG are as their neighbours."""
    means = np.asarray(picture.reduce(8)).astype(np.int16)
    means = means if means.ndim == 3 else means[..., None]
    alike = (np.abs(np.diff(means, axis=1)) <= 1).all(-1)
    return not alike.size or alike.mean() >= 0.8 * (1 - least)
