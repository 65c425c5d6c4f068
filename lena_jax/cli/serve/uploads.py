"""The private folder of uploaded files: each is read once and deleted, and all is gone at the end."""

import contextlib
import os
import tempfile
import time

from lena_jax.scoring.result_files import printable

# Characters of a name that are shown.
_NAME = 120


class Uploads:
    """A folder that nobody else can read, removed with all that is in it on leaving the context.

    Attributes:
        folder: its path.
    """

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="lena-jax-page-", ignore_cleanup_errors=True)
        self.folder = os.path.realpath(self._temporary.name)
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

    def named(self, payload):
        """What the browser says it uploaded.

        Args:
            payload: list of {"path": where the file was put, "orig_name": its name at the visitor's}; anything else, as
                a program that is not the page may send, is refused.

        Returns:
            List of (path, name to show).

        Raises:
            ValueError: another thing, or a path that is not in the folder.
        """
        if not isinstance(payload, list):
            raise ValueError(f"got {type(payload).__name__}, expected a list of files")
        found = []
        for one in payload:
            path = one.get("path") if isinstance(one, dict) else None
            if not isinstance(path, str) or not self.holds(path):
                raise ValueError("got a file that was not uploaded, expected uploaded ones")
            name = one.get("orig_name")
            name = name if isinstance(name, str) and name else os.path.basename(path)
            found.append((path, printable(name.replace("\\", "/").rsplit("/", 1)[-1])[:_NAME]))
        return found

    def holds(self, path):
        """Whether a path, its links followed, lies below the folder; it need not exist."""
        try:
            return os.path.isabs(path) and os.path.realpath(path).startswith(self.folder + os.sep)
        except ValueError:  # A zero byte.
            return False

    def delete(self, paths):
        """Deletes files, and folders that are empty then. Of two equal uploads at a time the second may find none."""
        for path in paths:
            with contextlib.suppress(OSError):
                os.remove(path)
            folder = os.path.realpath(os.path.dirname(path))
            if folder != self.folder:  # Where parts of uploads are before they have a name.
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def sweep(self, age):
        """Deletes what was uploaded and never asked about.

        Args:
            age: seconds since a file was written.
        """
        before = time.time() - age
        for path, found in self._files():
            if found.st_ctime <= before:
                self.delete([path])

    def size(self):
        """Bytes of all files."""
        return sum(found.st_size for _, found in self._files())

    def _files(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    yield path, os.lstat(path)
