"""The private folder of uploaded files: each file is deleted after use, and the folder when the server stops."""

import contextlib
import os
import tempfile
import time

from lena_jax.scoring.result_files import printable

# Longest displayed file name, in characters.
_NAME = 120


class Uploads:
    """A folder that no other user can read. Leaving the context deletes it with its files.

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
        """Resolves the list of files that the browser says it uploaded.

        Args:
            payload: list of {"path": path in the folder, "orig_name": the visitor's name of the file}. Programs other
                than the page may send anything, so everything else is refused.

        Returns:
            List of (path, name to display).

        Raises:
            ValueError: the payload is something else, or a path is outside the folder.
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
        """Whether a path lies below the folder after links are resolved. It need not exist."""
        try:
            return os.path.isabs(path) and os.path.realpath(path).startswith(self.folder + os.sep)
        except ValueError:  # A zero byte.
            return False

    def delete(self, paths):
        """Deletes files and their emptied folders. Missing files are fine: equal uploads at one time share a file."""
        for path in paths:
            with contextlib.suppress(OSError):
                os.remove(path)
            folder = os.path.realpath(os.path.dirname(path))
            if folder != self.folder:  # Uploads in progress need the folder itself.
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def sweep(self, age):
        """Deletes uploads that were never used.

        Args:
            age: seconds since the file was written.
        """
        before = time.time() - age
        for path, found in self._files():
            if found.st_ctime <= before:
                self.delete([path])

    def size(self):
        """Total size of all files in bytes."""
        return sum(found.st_size for _, found in self._files())

    def _files(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    yield path, os.lstat(path)
