"""Which address is asked for next: so many at once, so many of one server, and none before its time."""

import collections
import dataclasses
import heapq
import itertools
import threading
import time

from data_prep.download.limits import Limits


@dataclasses.dataclass
class Job:
    """One picture to get: its name, address and server, and how often it was tried."""

    name: str
    url: str
    host: str
    tries: int = 0


@dataclasses.dataclass
class _Host:
    """One server: jobs by the time from which they may be tried, and what it can be asked to bear."""

    waiting: list[tuple[float, int, Job]] = dataclasses.field(default_factory=list)
    active: int = 0
    next_request: float = 0.0
    failures: int = 0
    left_alone: str = ""


class Schedule:
    """Hands out jobs to threads and takes back those that have to be tried again.

    Args:
        jobs: all there is to do.
        limits: see there; of them `per_host`, `delay` and `host_failures` matter here.
    """

    def __init__(self, jobs: list[Job], limits: Limits):
        self._limits = limits
        self._changed = threading.Condition()
        self._number = itertools.count()
        self._stopped = False
        self._hosts: dict[str, _Host] = collections.defaultdict(_Host)
        for job in jobs:
            heapq.heappush(self._hosts[job.host].waiting, (0.0, next(self._number), job))

    def next(self) -> tuple[Job, str] | None:
        """Waits for a job and returns it, with the reason if its server is to be left alone; None at the end."""
        with self._changed:
            while not self._stopped:
                job, wait = self._take(time.monotonic())
                if job is not None:
                    return job, self._hosts[job.host].left_alone
                if wait is None:
                    return None
                self._changed.wait(wait)
            return None

    def done(self, job: Job, alive: bool) -> None:
        """A job from `next` is over; `alive` says whether its server answered properly."""
        with self._changed:
            host = self._hosts[job.host]
            host.active -= 1
            host.failures = 0 if alive else host.failures + 1
            if host.failures >= self._limits.host_failures and not host.left_alone:
                host.left_alone = f"its server failed {host.failures} times in a row and was left alone"
            self._changed.notify_all()

    def again(self, job: Job, seconds: float, whole_host: bool) -> None:
        """A job from `next` is to be tried again in so many seconds; the whole server rests if it said so."""
        with self._changed:
            host = self._hosts[job.host]
            host.active -= 1
            ready = time.monotonic() + seconds
            if whole_host:
                host.next_request = max(host.next_request, ready)
            heapq.heappush(host.waiting, (ready, next(self._number), job))
            self._changed.notify_all()

    def leave_alone(self, name: str, reason: str) -> None:
        """From now on the jobs of a server come with a reason not to ask it."""
        with self._changed:
            self._hosts[name].left_alone = reason
            self._changed.notify_all()

    def stop(self) -> None:
        """No further job is handed out."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def _take(self, now: float) -> tuple[Job | None, float | None]:
        """A job that may be tried now; or else the seconds until something may change, None if nothing will."""
        wait = None
        busy = False
        for host in self._hosts.values():
            busy = busy or host.active > 0
            if not host.waiting:
                continue
            if host.left_alone:
                host.active += 1
                return heapq.heappop(host.waiting)[2], None
            if host.active >= self._limits.per_host:
                continue
            ready = max(host.waiting[0][0], host.next_request)
            if ready <= now:
                host.active += 1
                host.next_request = now + self._limits.delay
                return heapq.heappop(host.waiting)[2], None
            wait = ready - now if wait is None else min(wait, ready - now)
        # An active job may come back; its end notifies, and the minute guards against nothing known.
        return None, 60.0 if wait is None and busy else wait
