"""How much of a decoded picture is there, whatever its file says: decoders fill in what is missing.

A quick look at the decoded pixels tells whether anything can be missing: then the end of the picture is of one colour.
Only such a picture is looked at again, in the file.
"""

import contextlib
import dataclasses
import io
import math
import re
import zlib

import numpy as np
from PIL import Image

# Least share of the pixels that must be there.
LEAST = 0.95
# Of 256: what means of blocks of one colour differ by, after rounding.
_FLAT = 2
# A marker that ends a scan of a JPEG; FF 00 is a byte of the scan, FF D0 to FF D7 part it.
_END_OF_SCAN = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_NOISE = tuple(bytes(np.random.default_rng(seed).integers(0, 255, 256, np.uint8)) for seed in (1, 2))
# Rows and columns of the seven passes of an interlaced PNG: first and step.
_PASSES = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))


def share_there(data: bytes, picture: Image.Image) -> float:
    """Return which share of the pixels is in the file, 0 to 1.

    Args:
        data: the file as the decoder saw it.
        picture: the loaded picture.
    """
    look = {"JPEG": _jpeg, "MPO": _jpeg, "PNG": _png, "GIF": _gif}.get(picture.format or "")
    return 1.0 if look is None else look(data, picture)


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


def _jpeg(data, picture):
    if not picture.info.get("progressive") and data.count(b"\xff\xda") == 1:
        # A restart interval may lack its end everywhere in the picture; otherwise only the end of the picture can.
        if not (_much_is_flat(picture) if b"\xff\xdd\0\4" in data else _ends_flat(picture)):
            return 1.0
    components, scans = _scans(data)
    share = _coefficients_there(components, scans) if picture.info.get("progressive") else 1.0
    share = min(share, len({name for scan in scans for name in scan.components}) / max(1, len(components)))
    starts = [scan for scan in scans if scan.first == scan.high == 0]
    if share < LEAST or (len(starts) == 1 and not scans[0].restart and not _ends_flat(picture)):
        return share
    one, other = (np.asarray(_opened(_with_noise(data, starts, noise, picture.size), 8)) for noise in _NOISE)
    differs = one != other
    differs = differs.any(-1) if differs.ndim == 3 else differs
    if any(scan.restart for scan in starts):
        return min(share, 1 - float(differs.mean()))
    rows = np.flatnonzero(differs.any(1))
    return share if not len(rows) else min(share, float(rows[0] / len(differs)))


def _scans(data):
    """Return the components of a JPEG and its scans."""
    components, scans, restart, place = (), [], 0, 2
    while found := _END_OF_SCAN.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == 0xD9:
            break
        length = int.from_bytes(data[place : place + 2], "big")
        part = data[place + 2 : place + length]
        if marker == 0xDD:
            restart = int.from_bytes(part[:2], "big")
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            components = tuple(part[6::3])
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


def _ends_flat(picture):
    """Return whether the last twentieth of a JPEG, by its blocks of 16 pixels, has one colour."""
    width, height = picture.size
    rows = math.ceil(height / 16)
    left = 16 * int(width * max(0, 1 - (1 - LEAST) * rows) / 16)
    end = picture.crop((min(left, 16 * ((width - 1) // 16)), 16 * (rows - 1), width, height))
    return _spread(end.reduce(8)) <= _FLAT


def _spread(picture):
    ranges = picture.getextrema()
    ranges = ranges if isinstance(ranges[0], tuple) else (ranges,)
    return max(high - low for low, high in ranges)


def _much_is_flat(picture):
    """Return whether a twentieth of the blocks of a JPEG are as their neighbours."""
    means = np.asarray(picture.reduce(8)).astype(np.int16)
    means = means if means.ndim == 3 else means[..., None]
    alike = (np.abs(np.diff(means, axis=1)) <= 1).all(-1)
    return not alike.size or alike.mean() >= 0.8 * (1 - LEAST)


def _png(data, picture):
    width, height = picture.size
    # What is missing is zero. Of an interlaced picture, every second row is missing first.
    end = picture.crop((0, max(0, height - 2), width, height))
    lines = np.asarray(end)
    if height > 1 and all(line.any() for line in lines):
        return 1.0
    bits, colour, interlaced = data[24], data[25], data[28]
    pixel = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    if interlaced:
        sizes = [
            (-(-(height - y) // dy), -(-(width - x) // dx)) for y, dy, x, dx in _PASSES if x < width and y < height
        ]
    else:
        sizes = [(height, width)]
    expected = sum(rows * (1 + math.ceil(columns * pixel / 8)) for rows, columns in sizes)
    return min(1.0, _unpacked_size(data, expected) / expected)


def _unpacked_size(data, most):
    """Return how many bytes the pixels of a PNG have when they are unpacked, counted up to `most`."""
    unpack, count, place = zlib.decompressobj(), 0, 8
    with contextlib.suppress(zlib.error):
        while count < most and place < len(data) and not unpack.eof:
            length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
            rest = data[place + 8 : place + 8 + length] if name == b"IDAT" else b""
            while rest and not unpack.eof:
                count += len(unpack.decompress(rest, 1 << 20))
                rest = unpack.unconsumed_tail
            place += 12 + length
    return count


def _gif(data, picture):
    return 1.0
