"""What SIGTERM and Ctrl-C do: training saves and stops, a command ends in order, a command that is starting ends."""

import contextlib
import os
import signal
import sys
import threading


class Stopped(SystemExit):
    """Training stopped on request, with everything saved; exit code 0.

    `everywhere`: whether all processes stopped together, not this one alone.
    """

    def __init__(self, everywhere=False):
        super().__init__(0)
        self.everywhere = everywhere


class StopSignal:
    """Within it SIGTERM, which clusters send before they take a machine away, sets `requested`.

    Before `defer` is called SIGTERM ends the process at once instead. Only the main thread can handle signals; in
    another thread nothing is changed and nothing is ever requested.
    """

    def __init__(self):
        self.requested = False
        self._deferred = False
        self._context = None

    def defer(self):
        """From now on the owner looks at `requested` and ends by itself."""
        self._deferred = True

    def _receive(self, *_):
        self.requested = True
        if not self._deferred:
            print(
                "stopped on request before the first step of this start; the same command begins again", file=sys.stderr
            )
            raise Stopped

    def __enter__(self):
        self._context = _handling(signal.SIGTERM, self._receive)
        self._context.__enter__()
        return self

    def __exit__(self, *raised):
        self._context.__exit__(*raised)


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: what is finished is kept, what is not is removed."""


def terminated_in_order():
    """Context in which SIGTERM raises `Terminated`."""

    def terminate(number, frame):
        raise Terminated

    return _handling(signal.SIGTERM, terminate)


@contextlib.contextmanager
def ended_at_once(name):
    """Within it Ctrl-C ends the process immediately, with exit code 130.

    For the seconds in which libraries are imported and a model is opened: a `KeyboardInterrupt` raised in one of JAX's
    callbacks is dropped, and the command would run on. Nothing is written then that would have to be removed. Where
    Ctrl-C is ignored, or handled by someone else, nothing is changed.

    Args:
        name: of the command, for what is said.
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
    """Handles a signal within the block; nothing is changed outside the main thread, where it is not allowed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
