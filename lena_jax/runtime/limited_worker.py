"""The inside of a worker process with limits, see `limited.py`. Imports the standard library only, to start quickly.

A request is a line of JSON on standard input. The bytes that a function gets, and those that it answers with, lie in a
file that both processes have open.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import threading
from typing import TextIO

with contextlib.suppress(ImportError):  # Windows has none.
    import resource

# Of addresses that a request may leave behind. A worker that kept more is replaced.
_WORN = 64 << 20
_MOST_SAID = 4 << 20
# Whether the parent watches the processor time of a worker. The kernel's own timer counts ticks of the clock: on a
# machine with other work it may take one second for two.
WATCHED = sys.platform == "linux"
# Where a worker answers; nothing outside one.
_ANSWERS: list[TextIO] = []


class NeedsMore(Exception):
    """A function needs more memory than it was granted.

    Attributes:
        count: how many bytes it needs; None for all that there are.
        otherwise: the error if there are no more: too little memory was only suspected.
    """

    def __init__(self, count: int | None = None, otherwise: ValueError | None = None):
        super().__init__(count)
        self.count, self.otherwise = count, otherwise


def main(shared: int, answers: int) -> None:
    """Answer requests until standard input ends.

    Args:
        shared: descriptor of the file that holds the bytes.
        answers: descriptor of the pipe for answers, one line of JSON each.
    """
    # A parent that ends closes standard input. Ctrl-C is its affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepared: set[str] = set()
    base, granted = 0, None
    with open(answers, "w", encoding="utf-8") as out:
        _ANSWERS.append(out)
        for line in sys.stdin:
            request = json.loads(line)
            module, name = request["function"].split(":")
            if module not in prepared:
                _limit_memory(None)
                function = importlib.import_module(module)
                function.prepare()
                prepared.add(module)
                base, granted = _size(), None
            if request["memory"] != granted:
                granted = request["memory"]
                _limit_memory(base + granted)
            signal.setitimer(signal.ITIMER_REAL, request["seconds"])
            _limit_time(request["cpu"])
            answer = _answer(getattr(sys.modules[module], name), request, shared)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            answer["worn"] = _size() > base + _WORN
            print(json.dumps(answer), file=out, flush=True)


def _limit_time(seconds):
    signal.setitimer(signal.ITIMER_PROF, 4 * seconds if WATCHED else seconds)


def _end_with_parent():
    poll = select.poll()
    # Nothing but the end of the pipe, which the main thread would see only after its work.
    poll.register(0, 0)
    poll.poll()
    os._exit(0)


def allow(seconds: float) -> None:
    """Give the function that runs so much processor time from now on, for work that no file makes longer."""
    if _ANSWERS:
        _limit_time(seconds)
        print(json.dumps({"allowed": seconds}), file=_ANSWERS[0], flush=True)


def said() -> str:
    """Return what libraries in C have written to standard error since `forget_said`; "" outside a worker."""
    return os.pread(2, _MOST_SAID, 0).decode(errors="replace") if _ANSWERS else ""


def forget_said() -> None:
    """Forget what was written to standard error, in a worker."""
    if _ANSWERS and os.lseek(2, 0, os.SEEK_CUR):
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)


def _answer(function, request, shared):
    try:
        data = os.pread(shared, request["size"], 0) if request["size"] else b""
        empty_if_large(shared, request["size"])
        memory = None if request["all"] else request["memory"]
        known, parts = function(data, memory=memory, **request["options"])
        del data
        size = 0
        for part in parts:
            size += _write(shared, part, size)
        return {"known": known, "size": size}
    except NeedsMore as error:
        return {"needs": error.count, **({} if error.otherwise is None else _refusal(error.otherwise))}
    except MemoryError:
        return {"needs": None}
    except ValueError as error:
        return _refusal(error)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _refusal(error):
    # Its name instead of the error: nothing that comes from a worker is unpickled.
    return {"refused": str(error), "kind": type(error).__name__}


def empty_if_large(shared: int, size: int) -> None:
    """Give the memory of the shared file back, if it holds more than small pictures need."""
    if size > 4 << 20:
        os.ftruncate(shared, 0)


def _write(shared, part, place):
    view = memoryview(part).cast("B")
    size = len(view)
    while len(view):
        count = os.pwrite(shared, view, place)
        view, place = view[count:], place + count
    return size


def _limit_memory(count):
    # macOS has the limit and does not keep it.
    with contextlib.suppress(NameError, ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if count is None or (hard != resource.RLIM_INFINITY and count > hard):
            count = hard
        resource.setrlimit(resource.RLIMIT_AS, (count, hard))


def _size():
    """Return how many bytes of addresses this process has; 0 where that is unknown."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
