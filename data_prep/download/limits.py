"""Limits on how much a download asks of servers and of this machine."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a download; times are in seconds.

    Attributes:
        workers: how many pictures to download at once.
        per_host: how many of them from one server.
        delay: least time between two requests to one server.
        attempts: how often to try one picture when the server or the connection fails.
        backoff: wait before the second try. It doubles with each try and is varied at random.
        max_backoff: the longest such wait.
        max_wait: longest wait to accept from a server's Retry-After. A server that asks for more gets no further
            requests in this download.
        timeout: longest silence on a connection.
        total_timeout: longest time for one try, however slowly the bytes arrive.
        max_bytes: size of the largest picture file.
        redirects: most redirects in a row.
        host_failures: after so many failed pictures in a row, a server gets no further requests in this download.

    Raises:
        ValueError: a count below 1 (redirects: below 0), or a time that is negative or not finite.
    """

    workers: int = 8
    per_host: int = 2
    delay: float = 0.25
    attempts: int = 4
    backoff: float = 1.0
    max_backoff: float = 60.0
    max_wait: float = 300.0
    timeout: float = 20.0
    total_timeout: float = 120.0
    max_bytes: int = 32 << 20
    redirects: int = 5
    host_failures: int = 8

    def __post_init__(self):
        for name in ("workers", "per_host", "attempts", "max_bytes", "host_failures", "redirects"):
            least = 0 if name == "redirects" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least {least}")
        for name in ("delay", "backoff", "max_backoff", "max_wait", "timeout", "total_timeout"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value == 0 and "timeout" in name):
                sign = "above 0" if "timeout" in name else "of at least 0"
                raise ValueError(f"{name}: got {value}, expected a finite number of seconds {sign}")
