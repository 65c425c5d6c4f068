"""What the gate does with the messages of a request and of its answer: read, count, drop, replace."""

import json
import re

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
# So much of a refused body is read, so that the browser reads the answer.
_DRAINED_BYTES = 32 << 20


def with_headers(send, headers):
    """Wraps `send`: adds headers {name: value} to the start of the answer."""

    async def sending(message):
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in headers.items()]
            message = message | {"headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending


def once(body, receive):
    """Wraps `receive`: returns a body that was read before, then whatever follows."""
    given = False

    async def again():
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _parts(receive):
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def read(receive, length):
    """Reads the body. Returns None if it is longer than `length`."""
    body = bytearray()
    async for part in _parts(receive):
        body += part
        if len(body) > length:
            return None
    return bytes(body)


async def drain(receive, length):
    """Reads some of the body and drops it: a browser reads no response before it has sent everything."""
    if 0 < length <= _DRAINED_BYTES:
        async for _ in _parts(receive):
            pass


class Upload:
    """The application's answer to an upload.

    Attributes:
        refused: why the gate answers in its place, or None.
    """

    def __init__(self, send):
        self._send, self._status, self._said, self.refused = send, None, b"", None

    def refuse(self, why):
        self.refused = self.refused or why

    async def send(self, message):
        if self.refused is None:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._status = message["status"]

    def paths(self, body):
        """Returns the paths of the files that the upload brought; None if it failed."""
        try:
            found = json.loads(body)
        except ValueError:
            return None
        return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


class Parts:
    """Counts the parts of a multipart body as it arrives."""

    def __init__(self, content_type):
        found = re.search(r'boundary="?([^";,]+)', content_type)
        self._between = b"--" + found[1].strip().encode("latin-1") if found else None
        self._end, self._found = b"", 0

    def count(self, body):
        """Returns how many parts have begun, with this piece of the body."""
        if self._between is not None:
            piece = self._end + body
            self._found += piece.count(self._between)
            # Less than the whole line, so that none is counted twice.
            self._end = piece[-(len(self._between) - 1) :]
        return self._found


async def answer(send, code, text):
    body = text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))} | HEADERS
    if code in (411, 413):  # The rest of the request is not read.
        headers["connection"] = "close"
    await with_headers(send, headers)({"type": "http.response.start", "status": code})
    await send({"type": "http.response.body", "body": body})
