"""The file of choices: one line for each, appended and on disk before the next pair is shown."""

import codecs
import csv
import fcntl
import io
import os
import threading
import time

HEADER = ("left", "right", "winner", "judge", "how", "time")
WINNERS = ("left", "right", "tie", "skip", "undo")


class ChoicesFile:
    """A CSV that several judges, browsers and processes append to.

    Each line is written by one call under a lock of the operating system, and synchronised to the disk. A line that a
    crash cut off is removed when the file is opened.

    Args:
        path: the file; it is created if it is missing.

    Raises:
        ValueError: the file has other columns, or a line that is none of ours.
        OSError: it cannot be written.
    """

    def __init__(self, path):
        self.path = os.path.expanduser(path)
        self._lock, self._read_to = threading.Lock(), 0
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._repair()
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def read(self):
        """Return the rows that were added since the last call, by anybody, as dicts."""
        with self._lock:
            return self._news()

    def append(self, left, right, winner, judge, how):
        """Write one choice to the disk; return the rows since the last call of `read` or `append`, this one last.

        Raises:
            OSError: it could not be written whole; nothing of it stays.
        """
        values = (left, right, winner, judge, how, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        line = _line(values)
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                end = os.fstat(self._file).st_size
                try:
                    if os.write(self._file, line) != len(line):
                        raise OSError(f"{self.path}: the disk is full, the choice was not stored")
                    os.fsync(self._file)
                except OSError:
                    os.ftruncate(self._file, end)
                    raise
                return self._news()
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self):
        """Close the file."""
        os.close(self._file)

    def _news(self):
        data = os.pread(self._file, os.fstat(self._file).st_size - self._read_to, self._read_to)
        data = data[: data.rfind(b"\n") + 1]  # Another process may be writing.
        first, self._read_to = self._read_to == 0, self._read_to + len(data)
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))[first:]
        for number, row in enumerate(rows, start=1 + first):
            if len(row) != len(HEADER) or row[2] not in WINNERS:
                raise ValueError(
                    f"{self.path}, new row {number}: got {','.join(row)[:200]!r}, expected {','.join(HEADER)} with a "
                    f"winner of {', '.join(WINNERS)}"
                )
        return [dict(zip(HEADER, row, strict=True)) for row in rows]

    def _repair(self):
        """Write the header of a new file; end a last line that has no end, or remove it if it is not whole."""
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        header = _line(HEADER)
        if header.startswith(data):
            os.ftruncate(self._file, 0)
            os.write(self._file, header)
            os.fsync(self._file)
            return
        first = data.partition(b"\n")[0]
        # A spreadsheet program may have saved it, with a mark and other line ends.
        if first.removeprefix(codecs.BOM_UTF8).rstrip(b"\r") != header.rstrip(b"\n"):
            first = first[:200].decode(errors="replace")
            raise ValueError(
                f"{self.path}: got the header {first!r}, expected {','.join(HEADER)}: give another file with -o, or "
                "build image_pairs from this one"
            )
        last = data[data.rfind(b"\n") + 1 :]
        if last:
            # The time is written last and always has the same length.
            whole = last.count(b",") >= len(HEADER) - 1 and last.endswith(b"Z")
            if whole:
                os.write(self._file, b"\n")
            else:
                os.ftruncate(self._file, len(data) - len(last))
            os.fsync(self._file)


def _line(values):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8")
