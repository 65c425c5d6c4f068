"""Find the file that a table's text means: in another case, without its ending or folder, or as another path."""

import collections
import difflib
import functools
import os
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from data_prep import picture_folder
from lena_jax.data import pictures, video

# Names of files that are looked through for one that is nearly the text, and how many texts get such a hint.
_NEAR_AMONG, _HINTS = 5000, 20
_MOST_FILES = 2_000_000


class PictureNames:
    """The files of a folder, by what tables call them.

    A table from a spreadsheet says `IMG_1.JPG`, `IMG_1` or `C:\\Users\\me\\Photos\\img_1.jpeg`; the folder has
    `2024/IMG_1.jpg`. A text means the file at exactly that path; else the only file of its name, in any case and any
    subfolder; else the only picture of its name without the ending. Of several files of one name, the one that
    shares more of the text's folders is meant. A file is never outside the folder: only those found in it are known.

    Args:
        folder: the folder of pictures.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "IMG_1.jpg").write_bytes(b"")
        ...     names = PictureNames(pathlib.Path(folder))
        ...     [names.find(text) for text in ("IMG_1.jpg", "img_1", "D:\\\\photos\\\\IMG_1.JPG", "IMG_2")]
        ['IMG_1.jpg', 'IMG_1.jpg', 'IMG_1.jpg', None]
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._hints = 0

    def find(self, text: str) -> str | None:
        """Return the path of the file that a text means, relative to the folder; None if it means none, or several."""
        if self.is_exact(text):
            return text
        found = self._candidates(text)
        return found[0] if len(found) == 1 else None

    def is_exact(self, text: str) -> bool:
        """Return whether a text is the path of a file as it stands (see `picture_folder.read`)."""
        return picture_folder.is_there(self._folder, text)

    def explained(self, text: str, reason: str) -> str:
        """Return why a text cannot be used and, if it means no file, which it could mean.

        The first texts get the names that are spelled nearly so; looking for them takes long.
        """
        hint = "" if self.is_exact(text) else self._hint(text)
        return f"{reason}; {hint}" if hint else reason

    def _hint(self, text):
        found = self._candidates(text)
        if len(found) > 1:
            return f"could be {', '.join(found[:3])}{', ...' if len(found) > 3 else ''}"
        if self._hints >= _HINTS or len(self._by_name) > _NEAR_AMONG:
            return ""
        self._hints += 1
        name = _key(_parts(text)[-1]) if _parts(text) else ""
        close = difflib.get_close_matches(name, list(self._by_name), n=1, cutoff=0.8)
        close = close or [one for one in self._by_stem if difflib.SequenceMatcher(None, name, one).ratio() > 0.8][:1]
        known = self._by_name.get(close[0]) or self._by_stem[close[0]] if close else []
        return f"did you mean {known[0]!r}?" if known and known[0] != text else ""

    def without(self, used: Iterable[str]) -> list[str]:
        """Return the pictures of the folder that are not among `used`, which are paths relative to it; sorted."""
        used = {_whole(name) for name in used}
        files = (one for found in self._by_name.values() for one in found)
        return sorted(one for one in files if one.lower().endswith(pictures.ENDINGS) and _whole(one) not in used)

    def kinds(self) -> str:
        """Return how many files of which ending the folder has, such as "12 .cr2, 3 .txt"; empty without files."""
        files = (PurePosixPath(name) for found in self._by_name.values() for name in found)
        counts = collections.Counter(file.suffix.lower() or "without an ending" for file in files)
        return ", ".join(f"{count:,} {ending}" for ending, count in counts.most_common(5))

    def _candidates(self, text):
        parts = [_key(part) for part in _parts(text)]
        if not parts:
            return []
        name = parts[-1]
        stem = PurePosixPath(name).stem if name.endswith((*pictures.ENDINGS, *video.ENDINGS)) else name
        found = self._by_name.get(name, [])
        # A film has the name of a photo, often the same: only a picture's ending may be another one.
        if not found and not name.endswith(video.ENDINGS):
            found = self._by_stem.get(stem, [])
        if len(found) < 2:
            return found
        shared = [_shared(parts[:-1], [_key(part) for part in PurePosixPath(one).parts[:-1]]) for one in found]
        return [one for one, count in zip(found, shared, strict=True) if count == max(shared)]

    @functools.cached_property
    def _by_name(self):
        names = collections.defaultdict(list)
        count = 0
        for place, folders, files in os.walk(self._folder):
            folders[:] = sorted(name for name in folders if not pictures.is_hidden(name))
            count += len(files)
            if count > _MOST_FILES:
                raise ValueError(f"{self._folder} has more than {_MOST_FILES:,} files, expected a folder of pictures")
            relative = os.path.relpath(place, self._folder)
            for name in sorted(files):
                if not pictures.is_hidden(name):
                    names[_key(name)].append(PurePosixPath(Path(relative, name)).as_posix())
        return dict(names)

    @functools.cached_property
    def _by_stem(self):
        stems = collections.defaultdict(list)
        for name, found in self._by_name.items():
            if name.endswith(pictures.ENDINGS):
                stems[PurePosixPath(name).stem] += found
        return dict(stems)


def said(changed: dict[str, str]) -> list[str]:
    """Return a line on texts that mean files of another name; `changed` has both. Nothing if there are none."""
    if not changed:
        return []
    text, name = next(iter(changed.items()))
    return [f"names found in another spelling or folder: {len(changed):,}, such as {text!r} as {name!r}"]


def _parts(text):
    text = text.strip()
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        try:
            text = urllib.parse.unquote(urllib.parse.urlsplit(text).path)
        except ValueError:  # Such as an IPv6 address without its end.
            return []
    return [part for part in re.split(r"[\\/]+", text) if part not in ("", ".", "..")]


def _key(name):
    return unicodedata.normalize("NFC", name).casefold()


def _whole(name):
    return "/".join(_key(part) for part in _parts(name))


def _shared(one, other):
    """Return how many last parts are equal."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
