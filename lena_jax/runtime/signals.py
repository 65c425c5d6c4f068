"""Ctrl-C, SIGTERM and a closed terminal: the first asks the process to stop, the second ends it at once.

`stoppable` owns them for a command. The first signal is noted and raised as `Interrupted` or `Terminated`. Python drops
an exception that is raised in a callback (of the garbage collector, of JAX), so it is raised again until it arrives,
and loops look at the note with `check`. Training only notes it (`StopSignal`) and stops after its step. A second signal
ends the process even if it is inside a library; unfinished files that `runtime.files` knows are removed.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from lena_jax.runtime import files

# A signal that comes so soon after the first is the same one, sent to the process and to its group.
_SAME_SECONDS = 0.25
# How long to wait before a dropped exception is raised again.
_AGAIN_SECONDS = 0.02


class Interrupted(KeyboardInterrupt):
    """Ctrl-C.

    It ends a command: finished output stays, unfinished output is removed. An argument says what was kept.

    Attributes:
        code: exit code of the command.
        word: what happened, for its message.
        everywhere: whether all processes of a run stop together, or only this one.
    """

    code, word = 130, "interrupted"
    everywhere = False


class Terminated(Interrupted):
    """SIGTERM arrived, or the terminal was closed."""

    code, word = 143, "terminated"


class _Watch:
    """What is known about signals in this process; there is one.

    Attributes:
        active: whether `stoppable` is entered.
        pending: the first signal that arrived since then, or None.
        mode: what its arrival does: "raise" an exception, only "note" it, or "end" the process at once.
        name: name of the command, for the message of an end at once. None: the process is somebody else's, such as a
            notebook's, and a second signal is raised.
    """

    def __init__(self):
        self.active, self.pending, self.mode, self.name = False, None, "raise", None
        self._since, self._again, self._own = 0.0, False, 0
        self._ending = threading.RLock()

    def receive(self, number, frame):
        """Handle a signal, in the main thread."""
        again, self._again = self._again, False
        if self.pending is None:
            self.pending, self._since = number, time.monotonic()
        elif not again:
            if time.monotonic() - self._since > _SAME_SECONDS:
                self.end()
                raise self.exception()
            return
        if self.mode == "end":
            self.end()
        if self.mode == "raise":
            if _in_import(frame):
                # Libraries print the exception, or end the process, where it comes between their parts.
                threading.Thread(target=self.raise_again, daemon=True).start()
                return
            raise self.exception()

    def exception(self, *said):
        """Return the exception for the pending signal."""
        return (Interrupted if self.pending == signal.SIGINT else Terminated)(*said)

    def raise_again(self):
        """Raise the exception once more in the main thread, where it was dropped."""
        time.sleep(_AGAIN_SECONDS)
        if self.active and self.pending is not None and self.mode == "raise":
            self._again = True
            self._own += 1
            _thread.interrupt_main(self.pending)

    def end(self):
        """End the process now, if it is the command's own."""
        if self.name is None:
            return
        self._ending.acquire()  # For good: the main thread and the one that listens may both come here.
        files.remove_unfinished()
        raised = self.exception()
        with contextlib.suppress(OSError):
            os.write(2, f"\n{self.name}: {raised.word}\n".encode())
        os._exit(raised.code)

    def listen(self, descriptor):
        """Read the numbers of signals as they arrive, in a thread: the main thread may be inside a library."""
        first = None
        while number := ord(os.read(descriptor, 1)):
            if number not in _numbers():
                continue
            if self._own:
                self._own -= 1
                continue
            now = time.monotonic()
            if first is not None and now - first > _SAME_SECONDS:
                self.pending = self.pending or number
                self.end()
            first = first or now


_watch = _Watch()


def _in_import(frame):
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _numbers():
    return {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


@contextlib.contextmanager
def stoppable(name: str | None) -> Iterator[None]:
    """Own the signals that ask this process to stop, while the body runs.

    Inside another `stoppable`, and outside the main thread, where Python allows no handlers, do nothing. A signal that
    is ignored (nohup) or has a handler of the caller's stays as it is; SIGTERM is always handled.

    Args:
        name: name of the command, for the message of an end at once. None in a process that is somebody else's: there a
            second signal is raised, too.

    Raises:
        Interrupted, Terminated: once a signal has arrived; also in the place of an exception that follows from it.
    """
    if _watch.active or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        with _wakeup(), _dropped_again():
            _watch.active, _watch.pending, _watch.mode, _watch.name = True, None, "raise", name
            for number in sorted(_numbers()):
                found = signal.getsignal(number)
                usual = found in (signal.SIG_DFL, signal.default_int_handler)
                if usual or (number == signal.SIGTERM and found is not signal.SIG_IGN):
                    before[number] = found
                    signal.signal(number, _watch.receive)
            try:
                yield
                check()
            except Exception as error:
                # A library may turn the exception into one of its own.
                if _watch.pending is None or _watch.mode != "raise":
                    raise
                raise _watch.exception() from error
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set by Python, which cannot put it back.
                signal.signal(number, handler)
        _watch.active, _watch.pending = False, None


def check() -> None:
    """Raise `Interrupted` or `Terminated` if a signal has arrived: the exception may have been dropped in a callback.

    For loops that take long, once a round. Where signals are only noted, do nothing.
    """
    if _watch.pending is not None and _watch.mode == "raise":
        raise _watch.exception()


def end_silently() -> None:
    """Let Ctrl-C end the process without words: before `stoppable` and after it, while Python starts and ends."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def handle_again() -> None:
    """Take the signals back from a library that has set handlers of its own."""
    if _watch.active and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _watch.receive)


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """Let the first signal end the process at once while the body runs.

    For imports and for opening a model. The body must not write files, since nothing is cleaned up.
    """
    check()
    before, _watch.mode = _watch.mode, "end"
    try:
        yield
    finally:
        _watch.mode = before


class StopSignal:
    """Context in which training notes a signal and stops by itself.

    Clusters send SIGTERM before they take a machine away. Until `defer` is called, a signal is raised instead. A second
    one ends a command, and is raised elsewhere. Only the main thread can handle signals: in another thread `requested`
    stays False.
    """

    def __init__(self):
        self._entered = contextlib.ExitStack()
        self._said = "before the first step since the start; run the same command again"

    @property
    def requested(self) -> bool:
        """Whether a signal has arrived since `defer`."""
        return _watch.active and _watch.mode == "note" and _watch.pending is not None

    def defer(self) -> None:
        """From now on, only set `requested`: the caller checks it and stops by itself."""
        check()
        if _watch.active:
            _watch.mode = "note"

    def end_at_once(self, said: str) -> None:
        """From now on, a signal is raised again, with this message; so is one that has arrived."""
        self._said, _watch.mode = said, self._before
        check()

    def exception(self, said: str) -> Interrupted:
        """Return what to raise for the signal in this process, or in another one of the same run."""
        stop = _watch.exception(said)
        stop.everywhere = True
        return stop

    def __enter__(self):
        self._entered.enter_context(stoppable(None))
        self._before = _watch.mode
        return self

    def __exit__(self, kind, error, trace):
        _watch.mode = self._before
        if isinstance(error, Interrupted) and not error.args:
            error.args = (f"stopped on request {self._said}",)
        if isinstance(error, Exception):  # It came first, and says more.
            _watch.pending = None
        self._entered.__exit__(kind, error, trace)


@contextlib.contextmanager
def _wakeup():
    """Let a thread hear of signals as they arrive."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    _pipes.add(write)
    thread = threading.Thread(target=_watch.listen, args=(read,), name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        _pipes.discard(write)
        os.write(write, b"\0")
        thread.join()
        os.close(write)
        os.close(read)


_pipes: set[int] = set()


def _in_child():
    """Give a forked child the usual handlers: it must not write to the pipe of its parent, nor clean up for it."""
    if _pipes:
        signal.set_wakeup_fd(-1)
        _pipes.clear()
        _watch.active = False
        for number in _numbers():
            if signal.getsignal(number) == _watch.receive:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@contextlib.contextmanager
def _dropped_again():
    """Raise the exception again where Python drops it, and do not print it there."""
    before = sys.unraisablehook

    def hook(dropped):
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)
        elif _watch.pending is not None:
            threading.Thread(target=_watch.raise_again, daemon=True).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
