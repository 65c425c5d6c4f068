"""The private folder of uploaded files: each file is deleted after use, and the folder when the server stops."""

import collections
import contextlib
import dataclasses
import os
import tempfile
import threading
import time

from lena_jax.runtime.files import unfinished_folder
from lena_jax.scoring.result_files import printable

# Longest displayed file name, in characters.
_NAME = 120
# Seconds after which a file is deleted that no request has named, where another upload needs its room; and one whose
# visitor does not listen for the result. The page names files, and listens, as soon as it has the answer to an upload.
SPARE, UNHEARD = 8, 60


@dataclasses.dataclass
class _File:
    size: int
    since: float
    session: str | None = None


@dataclasses.dataclass(eq=False)
class Arriving:
    """An upload that is under way.

    Attributes:
        bytes: how many bytes have arrived.
        since: when it began.
    """

    bytes: int = 0
    since: float = dataclasses.field(default_factory=time.time)


class Uploads:
    """A folder that no other user can read. Leaving the context deletes it with its files.

    What lies there is counted as it comes and goes. The folder is only walked through by `sweep`, in a thread.

    Attributes:
        folder: its path.
    """

    def __enter__(self):
        # Folders that killed servers left are removed.
        self._place = unfinished_folder(os.path.join(tempfile.gettempdir(), "lena-jax-page"))
        self.folder = os.path.join(os.path.realpath(self._place.__enter__()), "uploads")
        os.mkdir(self.folder, 0o700)
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._arriving: set[Arriving] = set()
        self._listening: collections.Counter[str] = collections.Counter()
        self._kept = 0  # Bytes of the files.
        self._left = 0  # Bytes of uploads that broke off, until `sweep` has deleted what they left.
        return self

    def __exit__(self, *_):
        self._place.__exit__(None, None, None)

    def named(self, payload):
        """Resolves the list of files that the browser says it uploaded.

        Args:
            payload: list of {"path": path in the folder, "orig_name": the visitor's name of the file}. Programs other
                than the page may send anything, so everything else is refused.

        Returns:
            List of (path, name to display).

        Raises:
            ValueError: the payload is something else, or a path is not that of an upload.
        """
        if not isinstance(payload, list):
            raise ValueError(f"got {type(payload).__name__}, expected a list of files")
        found = []
        for one in payload:
            path = one.get("path") if isinstance(one, dict) else None
            if not isinstance(path, str) or not self.holds(path):
                raise ValueError("got a file that was not uploaded, expected uploaded files")
            name = one.get("orig_name")
            name = name if isinstance(name, str) and name else os.path.basename(path)
            found.append((path, printable(name.replace("\\", "/").rsplit("/", 1)[-1])[:_NAME]))
        return found

    def holds(self, path):
        """Whether this is the path of an uploaded file that has not been deleted."""
        return path in self._files

    def size(self):
        """Bytes of all files, and of the uploads that are under way."""
        with self._lock:
            return self._kept + self._left + sum(one.bytes for one in self._arriving)

    def count(self):
        """Number of all files."""
        return len(self._files)

    def arrive(self):
        """Begin to count an upload: returns an `Arriving`, whose bytes the caller counts. End it with `keep`."""
        arriving = Arriving()
        self._arriving.add(arriving)
        return arriving

    def keep(self, arriving, paths):
        """End an upload.

        Args:
            arriving: what `arrive` returned.
            paths: the files that it brought, or None if it broke off.
        """
        found = {}
        for path in paths or ():
            with contextlib.suppress(OSError, ValueError):
                if os.path.realpath(path).startswith(self.folder + os.sep):
                    found[path] = _File(os.lstat(path).st_size, time.time())
        with self._lock:
            if arriving in self._arriving:
                self._arriving.discard(arriving)
                self._left += arriving.bytes if paths is None else 0
            for path, one in found.items():
                self._kept += one.size - (self._files[path].size if path in self._files else 0)
                self._files[path] = one

    def name(self, paths, session):
        """Note that a request of a session names files; None: that it was refused after all."""
        with self._lock:
            for path in paths:
                if path in self._files:
                    self._files[path].session, self._files[path].since = session, time.time()

    @contextlib.contextmanager
    def listening(self, session):
        """Keep the files that a session names while its visitor listens for the results."""
        with self._lock:
            self._listening[session] += 1
        try:
            yield
        finally:
            with self._lock:
                self._listening[session] -= 1
                if not self._listening[session]:
                    del self._listening[session]
                for one in self._files.values():
                    one.since = time.time() if one.session == session else one.since

    def delete(self, paths):
        """Deletes files and their emptied folders. Missing files are fine: equal uploads at one time share a file."""
        for path in paths:
            with contextlib.suppress(OSError):
                os.remove(path)
            with self._lock:
                if (one := self._files.pop(path, None)) is not None:
                    self._kept -= one.size
            folder = os.path.realpath(os.path.dirname(path))
            if folder != self.folder:  # Uploads in progress need the folder itself.
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def make_room(self):
        """Deletes the files that no request has named for some seconds."""
        self.delete(self._old(SPARE, lambda one: one.session is None))

    def sweep(self, forgotten):
        """Deletes what nobody will use: files for which nobody listens, and what broken uploads have left.

        Args:
            forgotten: seconds after which a file is deleted although its visitor listens.
        """
        self.delete(self._old(UNHEARD, lambda one: one.session not in self._listening))
        self.delete(self._old(forgotten, lambda one: True))
        with self._lock:
            left, first = self._left, min((one.since for one in self._arriving), default=time.time())
        if not left:
            return
        for path, found in self._there():
            # What an upload under way has written is not older than its beginning.
            if path not in self._files and found.st_mtime < first:
                self.delete([path])
        with self._lock:
            if not self._arriving:
                self._left -= left

    def _old(self, age, chosen):
        before = time.time() - age
        with self._lock:
            return [path for path, one in self._files.items() if one.since <= before and chosen(one)]

    def _there(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    yield path, os.lstat(path)
