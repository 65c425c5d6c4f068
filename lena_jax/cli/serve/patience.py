"""How long the server waits for a visitor: connections on which nothing moves are ended, at whatever stage they stall.

Uvicorn waits for ever for the rest of a request and for a reader of its answer, and counts such connections until no
other visitor gets one.
"""

import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds in which the headers of a request arrive; in which some bytes of a body arrive, or of an answer are taken.
HEADERS, STALLED = 8.0, 8.0
# Least bytes per second of a body, once it is older than `STALLED`; and its greatest age in seconds.
RATE, LONGEST = 1000, 1800
# Connections at most that have asked nothing yet, that listen for events, that send a body. Beyond it, one is ended:
# the oldest, and of bodies the slowest.
WAITING, LISTENING, SENDING = 64, 128, 32
# Answers at once. More than all of the above together, so nobody is refused because of them.
REQUESTS = 320
_LOOK = 0.5


class Patience:
    """Watches all connections of a server.

    Attributes:
        protocol: the class of connections for `uvicorn.Config(http=...)`.
    """

    def __init__(self):
        self._connections: set[Any] = set()
        self._looking = False
        patience = self

        class Connection(H11Protocol):
            def connection_made(self, transport):
                super().connection_made(transport)
                self.moved = self.began = self.taken = time.monotonic()
                self.stage, self.seen, self.received, self.unsent = "waiting", None, 0, 0
                patience._enter(self)

            def data_received(self, data):
                self.moved = time.monotonic()
                self.received += len(data)
                super().data_received(data)
                self.look()

            def connection_lost(self, exc):
                patience._connections.discard(self)
                super().connection_lost(exc)

            def look(self):
                """Notice which stage the connection is in, and whether its answer is being taken."""
                now, cycle = time.monotonic(), self.cycle
                if cycle is None or cycle.response_complete:
                    stage = "waiting"
                elif cycle.more_body:
                    stage = "sending"
                else:
                    stage = "listening"
                if stage != self.stage or cycle is not self.seen:
                    self.stage, self.seen, self.received, self.began, self.moved = stage, cycle, 0, now, now
                unsent = self.transport.get_write_buffer_size()
                if not unsent or not self.unsent or unsent < self.unsent:
                    self.taken = now
                self.unsent = unsent

            def is_stuck(self):
                now = time.monotonic()
                if self.unsent and now - self.taken > STALLED:
                    return True
                if self.stage == "waiting":
                    return now - self.began > HEADERS
                # What is not read yet because the page is busy is not the visitor's fault.
                if self.stage != "sending" or self.flow.read_paused:
                    return False
                age = now - self.began
                too_slow = age > STALLED and self.received < RATE * age
                return now - self.moved > STALLED or too_slow or age > LONGEST

            def end(self):
                self.transport.abort()

        self.protocol = Connection

    def _enter(self, connection):
        self._connections.add(connection)
        if not self._looking:
            self._looking = True
            connection.loop.call_later(_LOOK, self._look, connection.loop)
        self._thin_out()

    def _thin_out(self):
        for stage, most, worst in (
            ("waiting", WAITING, lambda one: one.began),
            ("listening", LISTENING, lambda one: one.began),
            ("sending", SENDING, lambda one: one.received / (time.monotonic() - one.began + STALLED)),
        ):
            there = [one for one in self._connections if one.stage == stage]
            for one in sorted(there, key=worst)[: max(0, len(there) - most)]:
                one.end()

    def _look(self, loop):
        for one in list(self._connections):
            one.look()
            if one.is_stuck():
                one.end()
        self._thin_out()
        if self._connections:
            loop.call_later(_LOOK, self._look, loop)
        else:
            self._looking = False
