"""What stands before Gradio: only the addresses that the page needs, from this page only, up to a size.

Gradio answers some eighty addresses: files by their paths, proxies, interfaces for programs, recordings. The page needs
about a dozen. All else is "not found" before Gradio sees it.
"""

import json
import re
import secrets

_READ = re.compile(
    r"/(|config|theme\.css|manifest\.json|favicon\.ico|(assets|static|svelte)/[\w./@+-]+|"
    r"gradio_api/(startup-events|queue/data|upload_progress|heartbeat/\w+))"
)
_WRITE = re.compile(r"/gradio_api/(upload|queue/join|cancel|reset)/?")
# Of a question, which has the names of the uploaded files in it.
_QUESTION_BYTES = 1 << 20
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
# Gradio makes functions from text, hence unsafe-eval, and sets styles, hence unsafe-inline; scripts in the page itself
# need the word that is drawn anew for each answer, so that markup that somehow got in still runs nothing.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self' blob:; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)


class Gate:
    """ASGI application around another one.

    Args:
        app: the application.
        uploads: `Uploads`.
        limits: `Limits`.
        hosts: names under which the page may be asked for, or None for any. A page of a hostile site whose name is
            made to lead to this machine has another.
    """

    def __init__(self, app, uploads, limits, hosts):
        self._app, self._uploads, self._hosts = app, uploads, hosts
        self._total = limits.max_total_megabytes * 1_000_000
        # Of each upload that was let in: how many of its bytes are not on disk yet.
        self._to_come = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            raise ValueError(f"got a connection of type {scope['type']}, expected http")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        code, body = await self._check(scope, receive, headers)
        if code != 200:
            return await _answer(send, code, body)
        if scope["method"] == "POST" and body is None:
            return await self._upload(scope, receive, _with_headers(send, _HEADERS), int(headers["content-length"]))
        if body is not None:
            receive = _once(body, receive)
        if scope["path"] == "/":
            return await self._page(scope, receive, send)
        return await self._app(scope, receive, _with_headers(send, _HEADERS))

    async def _check(self, scope, receive, headers):
        """(status, what to say or the body that was read); an upload's is not, and its room not yet taken."""
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return 403, "This page is not served under that name."
        # Its end is known when it has come, and where a length is said too, that is not it.
        if "transfer-encoding" in headers:
            return 411, "The length must be said."
        path, method = scope["path"], scope["method"]
        if ".." in path:
            return 404, "Not found."
        if method in ("GET", "HEAD"):
            return (200, None) if _READ.fullmatch(path) else (404, "Not found.")
        if method != "POST" or not _WRITE.fullmatch(path):
            return 404, "Not found."
        # A browser says which page a request comes from.
        if "origin" in headers and headers["origin"].partition("://")[2] != host:
            return 403, "Only the page itself may ask."
        length = headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,15}", length):
            return 411, "The length must be said."
        upload = path.startswith("/gradio_api/upload")
        room = self._total - self._uploads.size() - sum(self._to_come.values()) if upload else _QUESTION_BYTES
        if int(length) > room:
            await _drain(receive)
            return 413, f"Too much at once: at most {max(0, room) // 1_000_000} MB fit now. Send fewer, or wait."
        if upload:
            return 200, None
        body = await _read(receive, int(length))
        if body is None:
            return 413, "More was sent than was said."
        return (200, body) if self._only_uploads(body) else (400, "Only uploaded files can be asked about.")

    async def _upload(self, scope, receive, send, length):
        """Hands an upload on, but no more than it said. Until it lies on disk its room is taken.

        Nothing is waited for between the look at the room and the first line.
        """
        self._to_come[(upload := object())] = length
        given = 0

        async def counted():
            nonlocal given
            # Who asks for more has written what was given before; some ask once more when they are done.
            if upload in self._to_come:
                self._to_come[upload] = max(0, length - given)
            message = await receive()
            given += len(message.get("body", b""))
            return message if given <= length else {"type": "http.disconnect"}

        try:
            await self._app(scope, counted, send)
        finally:
            del self._to_come[upload]

    def _only_uploads(self, body):
        """Whether every file that a question names is an uploaded one: Gradio would fetch addresses."""
        try:
            waiting = [json.loads(body or b"null")]
        except (ValueError, RecursionError):
            return False
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                if "path" in one and not (isinstance(one["path"], str) and self._uploads.holds(one["path"])):
                    return False
                waiting += one.values()
            elif isinstance(one, list):
                waiting += one
        return True

    async def _page(self, scope, receive, send):
        """The page itself, whose scripts get this answer's word."""
        nonce, start, parts = secrets.token_urlsafe(16), {}, []
        plain = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]

        async def collect(message):
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope | {"headers": plain, "query_string": b""}, receive, collect)
        body = b"".join(parts).replace(b"<script", f"<script nonce='{nonce}'".encode())
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        start["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
        policy = {"content-security-policy": _POLICY.format(nonce=nonce), "cache-control": "no-store"}
        await _with_headers(send, _HEADERS | policy)(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _name(host):
    """ "127.0.0.1:7860" -> "127.0.0.1", "[::1]:7860" -> "::1"."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()


def _with_headers(send, headers):
    async def sending(message):
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in headers.items()]
            message = message | {"headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending


def _once(body, receive):
    """A `receive` that gives a body that was read already, and then what comes."""
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


async def _read(receive, length):
    """The body, None if it is longer."""
    body = bytearray()
    async for part in _parts(receive):
        body += part
        if len(body) > length:
            return None
    return bytes(body)


async def _drain(receive):
    """Takes what was sent and forgets it: a browser hears no answer before it has sent all."""
    async for _ in _parts(receive):
        pass


async def _answer(send, code, text):
    body = text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))} | _HEADERS
    if code == 411:  # What comes of it has no known end.
        headers["connection"] = "close"
    await _with_headers(send, headers)({"type": "http.response.start", "status": code})
    await send({"type": "http.response.body", "body": body})
