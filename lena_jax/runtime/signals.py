"""Handle SIGTERM and Ctrl-C: training saves and stops; a command cleans up and ends; while it starts, it just ends."""

import contextlib
import os
import signal
import sys
import threading


class Stopped(SystemExit):
    """Training stopped on request, with everything saved; exit code 0.

    Attributes:
        everywhere: whether all processes stopped together, or only this one.
    """

    def __init__(self, everywhere=False):
        super().__init__(0)
        self.everywhere = everywhere


class StopSignal:
    """Context in which SIGTERM sets `requested`. Clusters send SIGTERM before they take a machine away.

    Until `defer` is called, SIGTERM ends the process at once instead. Only the main thread can handle signals: in
    another thread the context does nothing, and `requested` stays False.
    """

    def __init__(self):
        self.requested = False
        self._deferred = False
        self._message = "stopped on request before the first step since the start; run the same command again"
        self._context = None

    def defer(self):
        """From now on, only set `requested`: the caller checks it and stops by itself."""
        self._deferred = True

    def end_at_once(self, message):
        """From now on, SIGTERM ends the process at once again, with this message."""
        self._deferred, self._message = False, message

    def _receive(self, *_):
        self.requested = True
        if not self._deferred:
            print(self._message, file=sys.stderr)
            raise Stopped

    def __enter__(self):
        self._context = _handling(signal.SIGTERM, self._receive)
        self._context.__enter__()
        return self

    def __exit__(self, *raised):
        self._context.__exit__(*raised)


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived, or the terminal was closed.

    It ends a command as Ctrl-C does: finished output stays, unfinished output is removed.
    """


@contextlib.contextmanager
def terminated_in_order():
    """Return a context in which SIGTERM and a closed terminal raise `Terminated`."""

    def terminate(number, frame):
        raise Terminated

    with contextlib.ExitStack() as stack:
        stack.enter_context(_handling(signal.SIGTERM, terminate))
        closed = getattr(signal, "SIGHUP", None)
        # nohup ignores it, and means to.
        if closed is not None and signal.getsignal(closed) is signal.SIG_DFL:
            stack.enter_context(_handling(closed, terminate))
        yield


@contextlib.contextmanager
def ended_at_once(name):
    """Let Ctrl-C end the process immediately, with exit code 130, while the body runs.

    Use it while libraries are imported and a model is opened. A `KeyboardInterrupt` raised in a JAX callback is lost
    there, and the command would run on. The body must not write files, since nothing is cleaned up. If Ctrl-C is
    ignored or has another handler, do nothing.

    Args:
        name: name of the command, for the message.
    """

    def end(number, frame):
        print(f"\n{name}: interrupted", file=sys.stderr, flush=True)
        os._exit(130)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    with _handling(signal.SIGINT, end):
        yield


@contextlib.contextmanager
def _handling(number, handler):
    """Handle a signal while the body runs. Do nothing outside the main thread, where Python does not allow it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        if before is not None:  # None: it was not set by Python, which cannot put it back.
            signal.signal(number, before)
