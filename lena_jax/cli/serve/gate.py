"""A filter in front of Gradio: it passes only the routes that the page needs, only from this page, up to a size limit.

Gradio has about eighty routes: files by path, proxies, APIs for programs, recordings. The page needs about a dozen.
Requests for any other route get "not found" before Gradio sees them.
"""

import json
import re
import secrets

_READ = re.compile(
    r"/(|config|theme\.css|manifest\.json|favicon\.ico|(assets|static|svelte)/[\w./@+-]+|"
    r"gradio_api/(startup-events|queue/data|upload_progress|heartbeat/\w+))"
)
_WRITE = re.compile(r"/gradio_api/(upload|queue/join|cancel|reset)/?")
# Maximum size of a request that is not an upload. It contains the names of the uploaded files.
_QUESTION_BYTES = 1 << 20
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
# Gradio builds functions from text, which needs unsafe-eval, and sets styles, which needs unsafe-inline. Scripts in the
# page itself need a nonce that is new for each response, so injected markup runs nothing.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self' blob:; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)


class Gate:
    """ASGI middleware around the application.

    Args:
        app: the application.
        uploads: `Uploads`; None for a page without any.
        limits: `Limits`.
        hosts: host names that requests may carry, or None for any. This stops DNS rebinding: a hostile site whose name
            resolves to this machine carries its own name.
        read, write: patterns of the paths that may be got, and posted to.
        policy: content security policy of the page, with the place of the scripts' nonce.
    """

    def __init__(self, app, uploads, limits, hosts, read=_READ, write=_WRITE, policy=_POLICY):
        self._app, self._uploads, self._hosts = app, uploads, hosts
        self._may_read, self._may_write, self._policy = read, write, policy
        self._total = limits.max_total_megabytes * 1_000_000
        # For each accepted upload, how many of its bytes are not on disk yet.
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
        """Returns (status, error text or request body). The body of an upload is not read, and no room is reserved."""
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return 403, "This page is not served under this host name."
        # A chunked body has no known length; a Content-Length beside it is not its length.
        if "transfer-encoding" in headers:
            return 411, "Content-Length is required."
        path, method = scope["path"], scope["method"]
        if ".." in path:
            return 404, "Not found."
        if method in ("GET", "HEAD"):
            return (200, None) if self._may_read.fullmatch(path) else (404, "Not found.")
        if method != "POST" or not self._may_write.fullmatch(path):
            return 404, "Not found."
        # Browsers send the origin of the page that makes the request.
        if "origin" in headers and headers["origin"].partition("://")[2] != host:
            return 403, "Only the page itself may send requests."
        length = headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,15}", length):
            return 411, "Content-Length is required."
        upload = path.startswith("/gradio_api/upload")
        room = self._total - self._uploads.size() - sum(self._to_come.values()) if upload else _QUESTION_BYTES
        if int(length) > room:
            await _drain(receive)
            return 413, f"Too large: there is room for {max(0, room) // 1_000_000} MB now. Send fewer files, or wait."
        if upload:
            return 200, None
        body = await _read(receive, int(length))
        if body is None:
            return 413, "The body is longer than Content-Length."
        return (200, body) if self._only_uploads(body) else (400, "Requests may only name uploaded files.")

    async def _upload(self, scope, receive, send, length):
        """Passes an upload on, up to its Content-Length. Reserves room for it until it is on disk.

        There is no `await` between the check of the room and the first line, so no other upload can take the room.
        """
        self._to_come[(upload := object())] = length
        given = 0

        async def counted():
            nonlocal given
            # A consumer that asks for more has written the previous part. Some ask once more after the end.
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
        """Whether every file that a request names is an uploaded one. Gradio would fetch a URL."""
        try:
            waiting = [json.loads(body or b"null")]
        except (ValueError, RecursionError):
            return False
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                if "path" in one and not self._holds(one["path"]):
                    return False
                waiting += one.values()
            elif isinstance(one, list):
                waiting += one
        return True

    def _holds(self, path):
        return self._uploads is not None and isinstance(path, str) and self._uploads.holds(path)

    async def _page(self, scope, receive, send):
        """Serves the page itself and puts the nonce of this response into its scripts."""
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
        policy = {"content-security-policy": self._policy.format(nonce=nonce), "cache-control": "no-store"}
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


async def _read(receive, length):
    """Reads the body. Returns None if it is longer than `length`."""
    body = bytearray()
    async for part in _parts(receive):
        body += part
        if len(body) > length:
            return None
    return bytes(body)


async def _drain(receive):
    """Reads the body and drops it: a browser reads no response before it has sent everything."""
    async for _ in _parts(receive):
        pass


async def _answer(send, code, text):
    body = text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))} | _HEADERS
    if code == 411:  # The rest of the request has no known end.
        headers["connection"] = "close"
    await _with_headers(send, headers)({"type": "http.response.start", "status": code})
    await send({"type": "http.response.body", "body": body})
