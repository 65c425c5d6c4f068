"""SIGTERM, which clusters send before they take a machine away: save what there is, then end with exit code 0."""

import signal
import threading


class Stopped(SystemExit):
    """Training was asked to stop and did, with everything saved; exit code 0."""

    def __init__(self):
        super().__init__(0)


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
            raise Stopped

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
