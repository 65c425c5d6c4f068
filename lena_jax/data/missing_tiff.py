"""How much of a TIFF is there, for the kinds whose decoder fills in what is missing: plain pixels, CCITT, JPEG."""

import collections
import contextlib
import hashlib
import io
import re
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from lena_jax.data import missing_jpeg, picture_files

_WIDTH, _HEIGHT, _BITS, _CODING, _SAMPLES, _ROWS, _PLANAR, _TABLES = 256, 257, 258, 259, 277, 278, 284, 347
# Where the parts of the picture lie and how long they are: strips of rows, or tiles with a width and height.
_FILL_ORDER, _GROUP_3_OPTIONS = 266, 292
_STRIPS, _TILES, _TILE_SIDES = (273, 279), (324, 325), (322, 323)
_PLAIN, _RUNS, _GROUP_3, _GROUP_4, _JPEG = 1, 2, 3, 4, 7
# Tags that say how bilevel pixels are coded.
_BILEVEL = (_WIDTH, _HEIGHT, _BITS, _CODING, 262, 266, _SAMPLES, _ROWS, 292, 293, *_TILE_SIDES)
_BAD_LINE = re.compile(r"Bad code word at line (\d+) of (?:strip|tile) (\d+)")
_LINE_END = re.compile(rb"0{11,}1")
_NOISE = tuple(b"".join(hashlib.sha256(bytes((seed, part))).digest() for part in range(8)) for seed in (1, 2))


def share_there(data: bytes, picture: Image.Image, said: str, least: float) -> float:
    """Return which share of the pixels is in the file, 0 to 1. What is above `least` may be returned as 1.

    Args:
        data: the file.
        picture: the loaded picture.
        said: what the decoder has said while it decoded.
        least: the least share that matters.
    """
    tags: Any = picture.tag_v2  # type: ignore[attr-defined]
    coding = tags.get(_CODING, _PLAIN)
    if coding == _PLAIN:
        return _plain(data, tags, picture)
    if coding in (_RUNS, _GROUP_3, _GROUP_4):
        return _bilevel(data, tags, said)
    if coding == _JPEG:
        shares = [_jpeg(tags.get(_TABLES, b""), part, least) for part in _parts(data, tags)]
        return sum(shares) / max(1, len(shares))
    return 1.0


def _parts(data, tags):
    """Return the coded bytes of each strip or tile."""
    places, lengths = (_all(tags.get(tag, ())) for tag in (_STRIPS if _STRIPS[0] in tags else _TILES))
    return [data[place : place + length] for place, length in zip(places, lengths, strict=False)]


def _all(value):
    return value if isinstance(value, tuple) else (value,)


def _plain(data, tags, picture):
    low, high = picture.crop((0, picture.height - 1, *picture.size)).convert("RGB").convert("L").getextrema()
    if low != high:
        return 1.0
    bits, samples = max(_all(tags.get(_BITS, 1))), tags.get(_SAMPLES, 1)
    width, height = picture.size
    if _STRIPS[0] not in tags:
        wide, high = (tags.get(tag, 1) for tag in _TILE_SIDES)
        width, height = -(-width // wide) * wide, -(-height // high) * high
    planes, samples = (samples, 1) if tags.get(_PLANAR) == 2 else (1, samples)
    expected = planes * height * -(-width * bits * samples // 8)
    return min(1.0, sum(map(len, _parts(data, tags))) / expected)


def _bilevel(data, tags, said):
    """Decode again with noise behind each part, which changes what is missing. Bad lines are missing as well."""
    width, height = tags[_WIDTH], tags[_HEIGHT]
    wide, high = (width, tags.get(_ROWS, height)) if _STRIPS[0] in tags else (tags[tag] for tag in _TILE_SIDES)
    high = min(high, height)
    down, across = -(-height // high), -(-width // wide)
    # [part, row of the part]: whether it is missing.
    missing = np.zeros((down * across, high), bool)
    plain, *noisy = (_decoded(_rewritten(data, tags, noise)) for noise in (b"", *_NOISE))
    for other in noisy:
        differs = np.zeros((down * high, across * wide), bool)
        differs[:height, :width] = plain != other
        missing |= differs.reshape(down, high, across, wide).any(3).transpose(0, 2, 1).reshape(missing.shape)
    for line, part in _BAD_LINE.findall(said):
        if int(part) < len(missing) and int(line) < high:
            missing[int(part), int(line)] = True
    if tags[_CODING] != _GROUP_3:
        # Each line builds on the one before it, or begins where that ends.
        missing = np.maximum.accumulate(missing, axis=1)
    elif not tags.get(_GROUP_3_OPTIONS, 0) & 1:
        return min(1 - float(missing.mean()), _lines_there(data, tags))
    if tags[_CODING] == _GROUP_4 and (there := _before_an_end(data, tags)) < 1:
        return there
    rows = missing.reshape(down, across, high).transpose(0, 2, 1).reshape(-1, across)[:height]
    return 1 - float(rows.mean())


def _lines_there(data, tags):
    """Return which share of the lines of Group 3 is as a coder writes them; 1 if it is less than half.

    A damaged line may give pixels without an error. Coded again, they give other bits.
    """
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as picture:
        pixels = picture.convert("1")
    found = _lines(_parts(data, tags), tags.get(_FILL_ORDER, 1))
    most = 0
    for same in (pixels, ImageChops.invert(pixels)):
        buffer = io.BytesIO()
        same.save(buffer, "TIFF", compression="group3")
        with Image.open(buffer, formats=("TIFF",)) as again:
            expected = _lines(_parts(buffer.getvalue(), again.tag_v2), again.tag_v2.get(_FILL_ORDER, 1))
        most = max(most, (found & expected).total())
    # Less than half are alike: it is another coder, not damage.
    return min(1.0, most / pixels.height) if most >= pixels.height / 2 else 1.0


def _lines(parts, order):
    """Return the coded lines of Group 3 as text of 0 and 1, counted, without the zeros at their ends."""
    return collections.Counter(line for part in parts for line in _LINE_END.split(_bits(part, order)) if line)


def _before_an_end(data, tags):
    """Return which share of the coded pixels of Group 4 lies before a mark of their end. The decoder stops there."""
    shares = []
    for part in _parts(data, tags):
        bits = _bits(part.rstrip(b"\0"), tags.get(_FILL_ORDER, 1))
        end = _LINE_END.search(bits)
        # The mark has 24 bits, and a byte may follow.
        shares.append(end.start() / len(bits) if end and end.start() < len(bits) - 40 else 1)
    return sum(shares) / max(1, len(shares))


def _bits(part, order):
    """Return bytes as text of 0 and 1."""
    kind = "little" if order == 2 else "big"
    return (np.unpackbits(np.frombuffer(part, np.uint8), bitorder=kind) + ord("0")).tobytes()


def _rewritten(data, tags, noise):
    """Return a TIFF of the same bilevel pixels, with noise behind each part."""
    places, lengths = _STRIPS if _STRIPS[0] in tags else _TILES
    parts = [part + noise for part in _parts(data, tags)]
    entries = {tag: _all(tags[tag]) for tag in _BILEVEL if tag in tags}
    entries[places] = tuple(8 + sum(map(len, parts[:number])) for number in range(len(parts)))
    entries[lengths] = tuple(map(len, parts))
    body = b"".join(parts)
    table_at = 8 + len(body) + len(body) % 2
    values_at = table_at + 2 + 12 * len(entries) + 4
    table, values = struct.pack("<H", len(entries)), b""
    for tag in sorted(entries):
        packed = struct.pack(f"<{len(entries[tag])}I", *entries[tag])
        table += struct.pack("<HHI", tag, 4, len(entries[tag]))
        if len(packed) > 4:
            table += struct.pack("<I", values_at + len(values))
            values += packed
        else:
            table += packed
    return b"II*\0" + struct.pack("<I", table_at) + body + bytes(len(body) % 2) + table + bytes(4) + values


def _decoded(data):
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as picture:
        return np.asarray(picture.convert("L"))


def _jpeg(tables, part, least):
    whole = (tables[:-2] if tables else b"\xff\xd8") + part[2:]
    # The picture as a whole has decoded. This part is of a kind that does not stand alone.
    with contextlib.suppress(OSError, ValueError, SyntaxError):
        file = picture_files.take_apart(whole)
        with Image.open(io.BytesIO(file.data), formats=("JPEG",)) as picture:
            picture.load()
            if file.doubtful is not None:
                return missing_jpeg.share_alike(*file.doubtful)
            return missing_jpeg.share_there(file, picture, least)
    return 1.0
