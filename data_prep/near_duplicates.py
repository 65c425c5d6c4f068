"""Find pictures that are nearly equal: resized, compressed again, cropped a little, with a border or a watermark.

Each picture gets four perceptual hashes of 144 bits (ImageHash's `phash`): of itself, without its plain border, and of
two smaller parts from its middle. Two pictures are nearly equal if a hash of one's whole differs from a hash of the
other's whole or part in few bits. Mirrored and turned pictures, and strong crops, are not found.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import imagehash
import numpy as np
from PIL import Image, ImageChops

# Longest side of the grey copy that is hashed.
SIDE = 128
# Among more pictures, comparing each with each takes too long.
MOST = 30_000
# Bits that may differ. On 300 photographs of OASIS, changed copies are within 30 (95 % of those with a watermark, all
# of those cropped by 5 % or less, with a border, resized or compressed again); different photographs are 38 or more
# apart, but for one pair of one scene.
MOST_BITS = 30

_SIZE = 12
_CUTS = (0.04, 0.08)
# Wholes first: parts are compared with wholes only.
_WHOLES = 2
_HASHES = _WHOLES + len(_CUTS)
# Greys that a border may differ by, and a standard deviation below which a picture is plain and looks like any other.
_BORDER, _PLAIN = 16, 4.0
_BLOCK = 1024


class NearDuplicates:
    """The pictures seen so far.

    Attributes:
        full: whether there were more than `MOST`; the rest is not compared.
    """

    def __init__(self):
        self._names: list[Any] = []
        self._bits: list[bytes] = []
        self.full = False

    def add(self, name: Any, small: Image.Image) -> None:
        """Add a picture, under any name, by its small grey copy."""
        self.full = self.full or len(self._names) >= MOST
        bits = None if self.full else hashes(small)
        if bits is not None:
            self._names.append(name)
            self._bits.append(bits.tobytes())

    def like(self, small: Image.Image) -> list[Any]:
        """Return the names of the pictures seen so far that are nearly equal to one."""
        bits = hashes(small) if self._names else None
        if bits is None:
            return []
        near = distances(bits[None], self._all()) <= MOST_BITS
        return [self._names[index] for index in np.flatnonzero(near[0])]

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield the names of all pairs of nearly equal pictures."""
        bits = self._all()
        for start in range(0, len(bits), _BLOCK):
            near = distances(bits[start : start + _BLOCK], bits[start:]) <= MOST_BITS
            for first, second in np.argwhere(np.triu(near, 1)):
                yield self._names[start + first], self._names[start + second]

    def _all(self):
        return np.frombuffer(b"".join(self._bits), np.uint8).reshape(-1, _HASHES, _SIZE**2 // 8)


def hashes(small: Image.Image) -> np.ndarray | None:
    """Compute the hashes of a picture, [4, 18] uint8 of 144 bits each; None for a picture that is plain.

    Args:
        small: a grey copy of at most `SIDE` pixels a side.
    """
    if np.asarray(small).std() < _PLAIN:
        return None
    whole = _without_border(small)
    width, height = whole.size
    parts = [small, whole]
    for cut in _CUTS:
        across, down = int(width * cut / 2), int(height * cut / 2)
        parts.append(whole.crop((across, down, width - across, height - down)))
    return np.packbits([imagehash.phash(part, hash_size=_SIZE).hash.ravel() for part in parts], axis=-1)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the least number of bits that differ: hashes [n, 4, 18] and [m, 4, 18] -> [n, m]."""
    # The product of -1 and 1 counts equal bits less different ones.
    first, second = (2 * np.unpackbits(one, axis=-1).astype(np.float32) - 1 for one in (first, second))
    best = np.full((len(first), len(second)), -np.inf, np.float32)
    for one in range(_HASHES):
        for other in range(_HASHES):
            if min(one, other) < _WHOLES:
                np.maximum(best, first[:, one] @ second[:, other].T, out=best)
    return np.rint((first.shape[-1] - best) / 2).astype(int)


def sets_of(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Join pairs of names to the sets that they connect, in the order of their first members."""
    home: dict[str, list[str]] = {}
    for first, second in pairs:
        one, other = home.setdefault(first, [first]), home.setdefault(second, [second])
        if one is not other:
            one += other
            home.update(dict.fromkeys(other, one))
    return list({id(members): members for members in home.values()}.values())


def _without_border(picture):
    plain = Image.new("L", picture.size, picture.getpixel((0, 0)))
    box = ImageChops.difference(picture, plain).point(lambda value: 255 * (value > _BORDER)).getbbox()
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) < 0.5 * picture.width * picture.height:
        return picture
    return picture.crop(box)
