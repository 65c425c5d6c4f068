"""SIGTERM, which clusters send before they take a machine away: save what there is, then end with exit code 0."""

import signal
import sys
import threading


class Stopped(SystemExit):
    """Training was asked to stop and did, with everything saved; exit code 0.

    `everywhere`: whether all processes stopped together, not this one alone.
    """

    def __init__(self, everywhere=False):
        super().__init__(0)
        self.everywhere = everywhere


class StopSignal:
    """While it is entered, SIGTERM sets `requested`; before `defer` is called it ends the process at once instead.

    Only the main thread may take signals; elsewhere nothing is changed, and nothing is ever requested.
    """

    def __init__(self):
        self.requested = False
        self._deferred = False
        self._before = None

    def defer(self):
        """From now on the owner looks at `requested`, and ends by itself."""
        self._deferred = True

    def _receive(self, *_):
        self.requested = True
        if not self._deferred:
            print("stopped on request before the first step of this start; the same command begins again",
                  file=sys.stderr)
            raise Stopped

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
