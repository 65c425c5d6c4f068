"""Take a picture file apart before it is decoded: the bytes that make pixels, its colour profile, its orientation.

Metadata never decides whether pixels are read: the decoder does not get to see it.
"""

import dataclasses
import re
import struct
import zlib

# Most scans of a progressive JPEG, which usually has about ten. Each costs a pass over the picture, even at 60 bytes.
MAX_SCANS = 100
# Most chunks or segments of a file: each costs a step of Python.
MAX_PARTS = 1_000_000
# Profiles of printers have up to 3 MB.
MAX_PROFILE_BYTES = 4 << 20
# A decoder takes as many steps as there are chunks of pixels.
_MANY = 1000

_SCAN = b"\xff\xda"
_END = b"\xff\xd9"
# A marker inside or behind a scan; FF 00 is a byte of the scan, FF D0 to FF D7 part it.
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_PNG = b"\x89PNG\r\n\x1a\n"
# Chunks of a PNG that make pixels. Those of an animation's further frames do not.
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_ORIENTATION = 0x0112


class BadFile(ValueError):
    """The file cannot be taken apart, or asks for too much work. The message says why."""


@dataclasses.dataclass(frozen=True)
class PictureFile:
    """A picture file without its metadata.

    Attributes:
        data: bytes of a file that has the same pixels. Equal to the file itself if it is of a kind that is not taken
            apart.
        profile: its ICC profile; empty if it has none, None if that is unknown until the file is opened.
        orientation: 1 to 8 as in Exif; None if that is unknown until the file is opened.
        code: primaries and transfer of its colours as numbers of ITU-T H.273, if the file states them; or None.
        deep: whether samples of 16 bits are to be cut to 8 by the decoder.
        doubtful: two files with the same start, if the end of the picture is missing. Their pixels are equal exactly
            if no pixel is missing.
        scans: of a JPEG, how many times its coded pixels start; 0 if that is unknown.
        restarts: of a JPEG, whether its coder starts again within them.
    """

    data: bytes
    profile: bytes | None = None
    orientation: int | None = None
    code: tuple[int, int] | None = None
    deep: bool = False
    doubtful: tuple[bytes, bytes] | None = None
    scans: int = 0
    restarts: bool = False


def take_apart(data: bytes) -> PictureFile:
    """Take a file apart.

    Raises:
        BadFile: too many scans, or too many chunks or segments.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"GIF8"):
        return PictureFile(data, _gif_profile(data))
    if data.startswith(b"BM"):
        return PictureFile(data, _bmp_profile(data))
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return PictureFile(data, code=_avif_code(data))
    return PictureFile(data)


def orientation_of(exif: bytes) -> int:
    """Return the orientation in the bytes of an Exif block, 1 to 8; 1 if it has none or is damaged."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(min(count, 1000)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def raw_photograph(tags) -> str:
    """Return the maker of a raw photograph by the tags of its TIFF, or ""; only its small preview can be decoded."""
    # The version of DNG, and "this is a smaller version of another picture".
    if 50706 in tags or (isinstance(tags.get(254), int) and tags[254] & 1):
        return str(tags.get(271, "")).strip("\0 ")[:40] or "DNG"
    return ""


def _jpeg(data):
    kept, profile, exif, more, restarts = [data[:2]], {}, b"", False, False
    place = 2
    for _ in range(MAX_PARTS):
        marker = data[place + 1] if data[place : place + 1] == b"\xff" else 0xFF
        if marker == 0xFF:
            # Something that does not belong there is passed over.
            found = _MARKER.search(data, place)
            if found is None:
                return PictureFile(data)
            marker, place = found[1][0], found.end() - 2
        if marker == 0xDA:
            break
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in (0x01, 0xD8, 0xD9) or length < 2 or place + 2 + length > len(data):
            # Not as a JPEG should be: the decoder may know better.
            return PictureFile(data)
        part = data[place : place + 2 + length]
        place += 2 + length
        if marker == 0xE1 and part[4:10] == b"Exif\0\0":
            exif = exif or part[4:]
        elif marker == 0xE2 and part[4:16] == b"ICC_PROFILE\0" and length > 16:
            profile.setdefault(part[16], part[18:])
        elif marker == 0xE2 and part[4:8] == b"MPF\0":
            more = True
        elif marker == 0xDD:
            restarts = True
        if marker == 0xE0 and part[4:9] == b"JFIF\0" or marker == 0xEE and part[4:9] == b"Adobe" or marker < 0xE0:
            kept.append(part)
    else:
        raise BadFile(f"too many segments to decode safely, expected at most {MAX_PARTS:,}")
    # Pieces are numbered from 1. A profile with a missing piece is no profile, which is found where it is used.
    whole = b"".join(profile[number] for number in sorted(profile))
    known = {"profile": whole[:MAX_PROFILE_BYTES], "orientation": orientation_of(exif), "restarts": restarts}
    scans = 0 if more or not data.endswith(_END) else data.count(_SCAN, place)
    if 0 < scans <= MAX_SCANS:
        return PictureFile(b"".join([*kept, data[place:]]), scans=scans, **known)
    end, scans = _end_of_jpeg(data, place)
    if end is not None:
        return PictureFile(b"".join([*kept, data[place:end]]), scans=scans, **known)
    # Zeros at the end are what a disk leaves of a file that was not written whole.
    there = b"".join([*kept, data[place:]]).rstrip(b"\0").rstrip(b"\xff")
    doubtful = tuple(there + filler * 128 + _END for filler in (b"\0\1", b"\xaa\x55"))
    return PictureFile(there + _END, doubtful=doubtful, **known)


def _end_of_jpeg(data, place):
    """Return where the first picture ends, None if its end is missing, and its scans, given the place of the first."""
    scans = 0
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, place)
        if found is None:
            return None, scans
        marker, place = found[1][0], found.end()
        if marker == 0xD9:
            return place, scans
        if marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS:
                raise BadFile(f"too many scans to decode safely, expected at most {MAX_SCANS}")
        place += int.from_bytes(data[place : place + 2], "big")
    raise BadFile(f"too many segments to decode safely, expected at most {MAX_PARTS:,}")


def _png(data):
    kept, profile, exif, code, deep, place = [], b"", b"", None, False, len(_PNG)
    for _ in range(MAX_PARTS):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if len(name) < 4 or not name.isalpha():
            break
        content = data[place + 8 : place + 8 + length]
        whole = place + 12 + length <= len(data)
        if name == b"IHDR":
            deep = content[8:10] in (b"\x10\2", b"\x10\6")
        if name in _PNG_PIXELS:
            # A last chunk that is cut off may hold all pixels.
            kept.append((name, content, data[place : place + 12 + length] if whole else None))
        elif name == b"iCCP" and not profile:
            profile = _unpacked(content.partition(b"\0")[2][1:])
        elif name == b"eXIf":
            exif = content
        elif name == b"cICP" and len(content) == 4:
            code = content[0], content[1]
        place += 12 + length
        if name == b"IEND" or not whole:
            break
    else:
        raise BadFile(f"too many chunks to decode safely, expected at most {MAX_PARTS:,}")
    if sum(name == b"IDAT" for name, _, _ in kept) > _MANY:
        first = next(index for index, (name, _, _) in enumerate(kept) if name == b"IDAT")
        pixels = (b"IDAT", b"".join(content for name, content, _ in kept if name == b"IDAT"), None)
        others = [one for one in kept if one[0] != b"IDAT"]
        kept = [*others[:first], pixels, *others[first:]]
    chunks = [_chunk(name, content) if raw is None else raw for name, content, raw in kept]
    if not kept or kept[-1][0] != b"IEND":
        chunks.append(_chunk(b"IEND", b""))
    return PictureFile(b"".join([_PNG, *chunks]), profile, orientation_of(exif), code, deep=deep)


def _chunk(name, content):
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def _unpacked(packed):
    """Unpack a profile. One that is too large or damaged stays as it is, which is no profile."""
    try:
        return zlib.decompressobj().decompress(packed, MAX_PROFILE_BYTES) or packed
    except zlib.error:
        return packed[:MAX_PROFILE_BYTES]


def _avif_code(data):
    head = data[: 1 << 16]
    place = head.find(b"colrnclx")
    # A gain map has colours of its own.
    return None if place < 0 or b"tmap" in head else struct.unpack_from(">HH", head + bytes(4), place + 8)


def _gif_profile(data):
    start = data.find(b"\x21\xff\x0bICCRGBG1012", 0, 1 << 16)
    if start < 0:
        return b""
    parts, place, size = [], start + 14, 0
    while place < len(data) and data[place] and size < MAX_PROFILE_BYTES:
        parts.append(data[place + 1 : place + 1 + data[place]])
        size += data[place]
        place += 1 + data[place]
    return b"".join(parts)


def _bmp_profile(data):
    # Version 5 of the header can embed a profile, whose place counts from the header's start.
    if int.from_bytes(data[14:18], "little") != 124 or data[70:74] != b"DEBM":
        return b""
    start, size = struct.unpack_from("<II", data, 14 + 112)
    return data[14 + start : 14 + start + min(size, MAX_PROFILE_BYTES)]


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG XL picture by its header; None if it has none that can be read.

    The decoder decodes all pixels when it opens a file, so the size must be known before.
    """
    start = 0
    if data.startswith(b"\0\0\0\x0cJXL "):
        start = _codestream(data)
    if start is None or data[start : start + 2] != b"\xff\x0a":
        return None
    bits = int.from_bytes(data[start + 2 : start + 18], "little")

    def take(count):
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side():
        return 1 + take((9, 13, 18, 30)[take(2)])

    small = take(1)
    height = 8 * (1 + take(5)) if small else side()
    ratio = take(3)
    if ratio:
        over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        return height * over // under, height
    return (8 * (1 + take(5)) if small else side()), height


def _codestream(data):
    """Return where the picture starts in the boxes of a JPEG XL file."""
    place = 0
    for _ in range(1000):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        if name in (b"jxlc", b"jxlp"):
            return place + head + 4 * (name == b"jxlp")
        if length < head or place + length >= len(data):
            return None
        place += length
    return None
