"""What a training run prints, for people who did not choose its settings: signs of life in the place of its details."""

import contextlib
import io
import sys
import time

from lena_jax.runtime.progress import EVERY

# How lines begin that tell of inner steps. The report has what was tried; `experiments/train.py` prints them.
_INNER = ("inner validation: ", "sorted maps: ", "backbone features, ", "warning: step ")


@contextlib.contextmanager
def plain_words():
    """Leaves the details of training out of what is printed, and says at least every ten seconds that it goes on."""
    words = _Words(sys.stdout)
    with contextlib.redirect_stdout(words):
        yield
    words.flush()


class _Words(io.TextIOBase):
    """A stream that passes whole lines on, but for the details."""

    def __init__(self, stream):
        self._stream, self._line, self._tried, self._last = stream, "", 0, time.monotonic()

    def write(self, text):
        """Writes what is a line by now."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._pass(line)
        return len(text)

    def flush(self):
        """Writes the stream's lines; a line without its end waits."""
        self._stream.flush()

    def _pass(self, line):
        if not line.startswith(_INNER):
            self._stream.write(line + "\n")
        else:
            self._tried += line.startswith(_INNER[0])
            if time.monotonic() - self._last < EVERY or not line.startswith(_INNER[0]):
                return
            self._stream.write(f"choosing settings on the training pictures: {self._tried} tried\n")
        self._last = time.monotonic()
