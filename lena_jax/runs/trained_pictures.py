"""Which files a model was trained on, by size and digest: a score of one of them flatters the model."""

import collections
import contextlib
import hashlib
import os
from collections.abc import Iterable

from lena_jax.runtime.files import open_plain, write_whole
from lena_jax.runtime.untrusted import read_json

FILE = "trained_on.json"
_MOST_BYTES = 256 << 20  # Of one picture.
_DIGITS = 16


class TrainedPictures:
    """Tells whether a file has the bytes of a picture that a model was trained on.

    A copy that was changed or saved anew is not recognised. Only files of a known size are read.

    Args:
        known: (size in bytes, first 16 hexadecimal digits of the SHA-256) of each picture.
    """

    def __init__(self, known: Iterable[tuple[int, str]]):
        self._seen = self._ours = 0
        self._digests = collections.defaultdict(set)
        for size, digest in known:
            self._digests[size].add(digest)

    def has(self, path):
        """Return whether the file at `path` is one of them; False if it cannot be read."""
        try:
            size = os.stat(path).st_size
            return size in self._digests and _digest(path) in self._digests[size]
        except (OSError, ValueError):
            return False

    def see(self, path):
        """Count a scored picture, for `said`."""
        self._seen += 1
        self._ours += self.has(path)

    def said(self):
        """Return a line on how many of the pictures seen are among them; an empty text if none is."""
        if not self._ours:
            return ""
        if self._seen == 1:
            return "the model was trained on this picture: its score flatters the model"
        these = "all" if self._ours == self._seen else f"{self._ours:,} of"
        return f"the model was trained on {these} these {self._seen:,} pictures: their scores flatter the model"


def write(folder, paths):
    """Write into a folder which files a model was trained on; files that cannot be read are left out."""
    known = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            known.append(f'[{os.stat(path).st_size}, "{_digest(path)}"]')
    write_whole(os.path.join(folder, FILE), lambda file: file.write("[\n" + ",\n".join(sorted(known)) + "\n]\n"))


def read(folder):
    """Read what `write` wrote; of a folder without it, or with something else in its place, no picture is known."""
    try:
        stored = read_json(os.path.join(os.path.expanduser(folder), FILE))
    except (OSError, ValueError):
        stored = []
    pairs = stored if isinstance(stored, list) else []
    return TrainedPictures(
        (one[0], one[1])
        for one in pairs
        if isinstance(one, list) and len(one) == 2 and type(one[0]) is int and isinstance(one[1], str)
    )


def _digest(path):
    with open_plain(path, _MOST_BYTES, ValueError) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
