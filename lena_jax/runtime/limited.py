"""Run functions on untrusted bytes in worker processes whose memory and time are limited.

All workers of this process share `MEMORY` bytes. A request is granted a part of them, and waits until that part is
free. A function that needs more is called again with more, at last alone with all of it. A worker that takes too long
is ended, and another one takes its place. Workers start when they are needed, at most `WORKERS`, and end with this
process, however it ends.

macOS does not keep a limit on memory (`RLIMIT_AS`). The limits on time hold there too.
"""

import atexit
import collections
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lena_jax
from lena_jax.runtime import limited_worker

# Bytes that all requests together may use, beside what a worker has at its start (about 60 MB).
MEMORY = 1000 << 20
# Bytes that a request is granted first, beside its data.
FIRST = 64 << 20
# Most workers. They share `MEMORY`, so more would wait.
WORKERS = 8
# On a machine with other work, a request may take so many times its processor time by the clock.
_PATIENCE = 20
# Bytes of an answer that are taken out of the shared file at once.
PART = 4 << 20
# Signals that end a worker whose time is up.
_TIME = (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU)
# Least seconds between two looks at the processor time of a worker.
_LOOK = 0.02

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Each thread would reserve addresses.
    "MALLOC_ARENA_MAX": "2",
    # Keep memory of the size of a picture from the web. To get it anew each time took half as long as decoding.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}


class Exceeded(ValueError):
    """A function would need more memory or time than it may use, or crashes. The message says which."""


class Answer(NamedTuple):
    """What a function answered.

    Attributes:
        known: JSON values.
        size: number of bytes.
        parts: iterator over these bytes, in parts.
    """

    known: Any
    size: int
    parts: Iterator[bytes]


@contextlib.contextmanager
def called(
    function: str,
    data: bytes | Callable[[], bytes],
    *,
    size: int,
    cpu: float,
    errors: Mapping[str, type[Exception]],
    options: Mapping[str, Any],
    need: int = 0,
) -> Iterator[Answer]:
    """Call a function in a worker.

    Its memory stays granted until the context ends, for what the caller makes of the answer. Within the context, a
    thread must not call another function.

    Args:
        function: "module:name". The worker imports the module, and calls its `prepare()` once. The function is called
            with the data, `memory` (how many bytes it may use) and the options. It returns (JSON values, iterable of
            bytes). It raises `NeedsMore` if `memory` is too little, and `ValueError` to refuse the data. `memory` is
            None where there is no more.
        data: untrusted bytes; or a function that reads them, called when there is memory for them.
        size: how many bytes that is.
        cpu: seconds of processor time that it may use.
        errors: kinds of `ValueError` that it may raise, by their names.
        options: JSON values by name.
        need: bytes of memory that it needs at least, beside its data.

    Raises:
        Exceeded: the limits do not suffice.
        ValueError: the function refused the data; of the kind in `errors`.
        RuntimeError: the function, or the start of a worker, failed.
    """
    pool = _POOLS.get(os.getpid()) or _POOLS.setdefault(os.getpid(), _Pool())
    # The data is here, on its way and there.
    memory, left = min(MEMORY, max(FIRST, need) + 3 * size), cpu
    while True:
        with pool.memory.granted(memory), pool.worker() as worker:
            if callable(data):
                data = data()
            answer = worker.ask(data, left, function=function, memory=memory, all=memory == MEMORY, options=options)
            if "known" in answer:
                yield Answer(answer["known"], answer["size"], worker.parts(answer["size"]))
                return
        if "refused" in answer and ("needs" not in answer or memory == MEMORY):
            raise errors.get(answer["kind"], ValueError)(answer["refused"])
        if "failed" in answer:
            raise RuntimeError(f"{function} failed in a worker process: {answer['failed']}")
        ended = answer.get("ended")
        if ended in _TIME:
            raise Exceeded(f"takes more than {cpu:g} s of processor time")
        if memory == MEMORY and ended is not None:
            raise Exceeded(f"crashes its decoder ({signal.Signals(ended).name})")
        if memory == MEMORY:
            raise Exceeded(f"needs more than {MEMORY >> 20:,} MB of memory")
        # A decoder that finds no memory may also crash.
        memory = min(MEMORY, max(2 * memory, answer.get("needs") or MEMORY))
        left = max(0.5, left - worker.used)


class _Memory:
    """`MEMORY` bytes, granted in the order of asking."""

    def __init__(self):
        self._free = MEMORY
        self._waiting = collections.deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def granted(self, count):
        turn = object()
        taken = 0
        try:
            with self._changed:
                self._waiting.append(turn)
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._free >= count)
                self._free -= count
                taken = count
                self._waiting.popleft()
                self._changed.notify_all()
            yield
        finally:
            with self._changed:
                self._free += taken
                if not taken:
                    self._waiting.remove(turn)
                self._changed.notify_all()


class _Pool:
    """The workers of one process."""

    def __init__(self):
        self.memory = _Memory()
        self._idle = []
        self._places = threading.Semaphore(min(WORKERS, _cores()))
        self._process = os.getpid()
        atexit.register(self.close)

    @contextlib.contextmanager
    def worker(self):
        with self._places:
            # `pop` and `append` are atomic.
            try:
                worker = self._idle.pop()
            except IndexError:
                worker = _Worker()
            try:
                yield worker
            finally:
                if worker.usable:
                    self._idle.append(worker)
                else:
                    worker.end()

    def close(self):
        while self._idle and self._process == os.getpid():
            self._idle.pop().end()


class _Worker:
    """One worker process.

    Attributes:
        usable: whether it can take a request.
        used: seconds of processor time that its last request took.
    """

    def __init__(self):
        self._shared = _shared_file()
        self._said = _shared_file()
        ours, theirs = os.pipe()
        try:
            start = (
                f"import sys; sys.path[:] = {_path()!r}; from lena_jax.runtime import limited_worker; "
                f"limited_worker.main({self._shared.fileno()}, {theirs})"
            )
            self._process = subprocess.Popen(
                # Without `site`, which runs what packages like to run at the start of Python.
                [sys.executable, "-I", "-S", *["-B"] * sys.dont_write_bytecode, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=(self._shared.fileno(), theirs),
                # Ctrl-C in a terminal goes to the whole group of a process.
                process_group=0,
                env={**os.environ, **_ENVIRONMENT},
            )
        except BaseException:
            os.close(ours)
            self._shared.close()
            self._said.close()
            raise
        finally:
            os.close(theirs)
        self._answers, self._unread = open(ours, "rb", buffering=0), b""
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        self.usable, self.used = True, 0.0

    def ask(self, data, cpu, **request):
        """Send a request; return the answer, or {"ended": signal} if the worker ended."""
        # Until the answer is there, the worker is busy: whoever is interrupted here must not use it again.
        self.usable = False
        view, place = memoryview(data), 0
        while place < len(view):
            place += os.pwrite(self._shared.fileno(), view[place:], place)
        request |= {"size": len(data), "cpu": cpu, "seconds": _PATIENCE * cpu}
        started, self.used = self._clock(), 0.0
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        while True:
            line = self._line(max(_LOOK, cpu - self.used))
            self.used = self._clock() - started
            if line == b"":
                return {"ended": self._ended()}
            if line is None and self.used >= cpu:
                return {"ended": signal.SIGXCPU}
            answer = {} if line is None else json.loads(line)
            if "allowed" in answer:
                cpu = self.used + answer["allowed"]
            elif answer:
                self.usable = not answer.pop("worn")
                return answer

    def _line(self, seconds):
        """Return the next line of answers; b"" if there are no more, None if there is none yet after some seconds."""
        while b"\n" not in self._unread:
            if not self._poll.poll(1000 * seconds):
                return None
            part = os.read(self._answers.fileno(), 1 << 16)
            if not part:
                return b""
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _clock(self):
        """Return the seconds of processor time of the worker; elsewhere than on Linux, it watches itself."""
        if not limited_worker.WATCHED:
            return 0.0
        try:
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:  # It has ended.
            return 0.0

    def _ended(self):
        code = self._process.wait()
        if code < 0:
            return -code
        last = os.pread(self._said.fileno(), 1 << 16, 0).decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"a worker process ({sys.executable}) ended with exit code {code}: {last}")

    def parts(self, size):
        for place in range(0, size, PART):
            yield os.pread(self._shared.fileno(), min(PART, size - place), place)
        limited_worker.empty_if_large(self._shared.fileno(), size)

    def end(self):
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        for file in (self._answers, self._shared, self._said):
            file.close()


def _shared_file():
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("lena-jax"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _path():
    """Return where a worker finds packages: where this process does. An installer's hooks are not needed for it."""
    ours = str(Path(lena_jax.__file__).resolve().parents[1])
    return [*(os.path.abspath(place) for place in sys.path if isinstance(place, str)), ours]


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# By process: a forked child must not talk to the workers of its parent.
_POOLS: dict[int, _Pool] = {}
