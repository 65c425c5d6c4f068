"""Decide which address to request next, within the limits on all servers, on each server and on time."""

import collections
import dataclasses
import heapq
import itertools
import threading
import time

from data_prep.download.limits import Limits


@dataclasses.dataclass
class Job:
    """One picture to download: its name, address and server, and how often it was tried."""

    name: str
    url: str
    host: str
    tries: int = 0


@dataclasses.dataclass
class _Host:
    """One server: its waiting jobs by the time from which they may be tried, and its state."""

    waiting: list[tuple[float, int, Job]] = dataclasses.field(default_factory=list)
    active: int = 0
    next_request: float = 0.0
    failures: int = 0
    left_alone: str = ""


class Schedule:
    """Hands out jobs to threads and takes back those that have to be tried again.

    Args:
        jobs: all jobs.
        limits: `per_host`, `delay` and `host_failures` are used here.
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
        """Wait for a job and return it, with a reason if its server gets no further requests; None at the end."""
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
        """Finish a job from `next`; `alive` says whether its server answered properly."""
        with self._changed:
            host = self._hosts[job.host]
            host.active -= 1
            host.failures = 0 if alive else host.failures + 1
            if host.failures >= self._limits.host_failures and not host.left_alone:
                host.left_alone = f"its server failed {host.failures} times in a row and was left alone"
            self._changed.notify_all()

    def again(self, job: Job, seconds: float, whole_host: bool) -> None:
        """Try a job from `next` again in so many seconds; `whole_host` pauses all requests to its server."""
        with self._changed:
            host = self._hosts[job.host]
            host.active -= 1
            ready = time.monotonic() + seconds
            if whole_host:
                host.next_request = max(host.next_request, ready)
            heapq.heappush(host.waiting, (ready, next(self._number), job))
            self._changed.notify_all()

    def leave_alone(self, name: str, reason: str) -> None:
        """Hand out all further jobs of a server with a reason not to request them."""
        with self._changed:
            self._hosts[name].left_alone = reason
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out no further jobs."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stopped(self) -> bool:
        """Return whether `stop` was called."""
        return self._stopped

    def _take(self, now: float) -> tuple[Job | None, float | None]:
        """Return a job that may be tried now, or the seconds until one may; both are None if none ever will."""
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
        # An active job may come back. Its end wakes us; the minute is only a safeguard.
        return None, 60.0 if wait is None and busy else wait
