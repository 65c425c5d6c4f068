"""A filter in front of Gradio: it passes only the routes that the page needs, only from this page, up to a size limit.

Gradio has about eighty routes: files by path, proxies, APIs for programs, recordings. The page needs about a dozen.
Requests for any other route get "not found" before Gradio sees them.
"""

import asyncio
import contextlib
import json
import re
import secrets
import urllib.parse

from lena_jax.cli.serve.messages import HEADERS, Parts, Upload, answer, drain, once, read, with_headers

_READ = re.compile(
    r"/(|config|theme\.css|manifest\.json|favicon\.ico|(assets|static|svelte)/[\w./@+-]+|"
    r"gradio_api/(startup-events|queue/data|upload_progress|heartbeat/\w+))"
)
_WRITE = re.compile(r"/gradio_api/(upload|queue/join|cancel|reset)/?")
_HEARTBEAT = "/gradio_api/heartbeat/"
# What names a session, or an upload, in a query or a question.
_SESSION, _EVENTS = "session_hash", "/gradio_api/queue/data"
_NAMES = {_SESSION, "upload_id"}
# Maximum size of a request that is not an upload. It contains the names of the uploaded files.
_QUESTION_BYTES = 1 << 20
# As many files lie on the disk as so many visitors can rank at once.
_RANKINGS = 10
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
        door: `Door` that asks visitors for a password.
        read, write: patterns of the paths that may be got, and posted to.
        policy: content security policy of the page, with the place of the scripts' nonce.
    """

    def __init__(self, app, uploads, limits, hosts, door, read=_READ, write=_WRITE, policy=_POLICY):
        self._app, self._uploads, self._hosts, self._door = app, uploads, hosts, door
        self._may_read, self._may_write, self._policy = read, write, policy
        self._total = limits.max_total_megabytes * 1_000_000
        self._most_at_once, self._most_files = limits.max_pictures, _RANKINGS * limits.max_pictures

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            raise ValueError(f"got a connection of type {scope['type']}, expected http")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return await answer(send, 403, "This page is not served under this host name.")
        # A chunked body has no known length; a Content-Length beside it is not its length.
        if "transfer-encoding" in headers:
            return await answer(send, 411, "Content-Length is required.")
        visitor = self._door.visitor(headers)
        if not self._door.is_open(visitor):
            return await self._door.ask(scope, headers, receive, send)
        code, body = await self._check(scope, receive, headers)
        if code != 200:
            return await answer(send, code, body)
        sending = with_headers(send, HEADERS)
        if scope["method"] == "POST" and body is None:
            return await self._upload(scope, receive, sending, headers)
        scope, session = self._as_own_session(scope, visitor)
        if body is not None:
            body, named, session = self._as_own_question(body, visitor)
            sending = self._noted(sending, named, session) if self._uploads is not None else sending
            length = (b"content-length", str(len(body)).encode())
            kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-length"]
            scope, receive = scope | {"headers": [*kept, length]}, once(body, receive)
        if scope["path"] == "/":
            return await self._page(scope, receive, send, self._door.cookie() if visitor is None else {})
        listens = scope["path"] == _EVENTS and session is not None
        with self._uploads.listening(session) if listens else contextlib.nullcontext():
            return await self._app(scope, receive, sending)

    async def _check(self, scope, receive, headers):
        """Returns (status, error text or request body). The body of an upload is not read."""
        path, method = scope["path"], scope["method"]
        if ".." in path:
            return 404, "Not found."
        if method in ("GET", "HEAD"):
            return (200, None) if self._may_read.fullmatch(path) else (404, "Not found.")
        if method != "POST" or not self._may_write.fullmatch(path):
            return 404, "Not found."
        # Browsers send the origin of the page that makes the request.
        if "origin" in headers and headers["origin"].partition("://")[2] != headers.get("host", ""):
            return 403, "Only the page itself may send requests."
        length = headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,15}", length):
            return 411, "Content-Length is required."
        upload = path.startswith("/gradio_api/upload")
        if upload:
            if not self._fits(int(length)):
                await asyncio.to_thread(self._uploads.make_room)
            room = max(0, self._total - self._uploads.size())
        fits = self._fits(int(length)) if upload else int(length) <= _QUESTION_BYTES
        if not fits:
            await drain(receive, int(length))
            room = room if upload else _QUESTION_BYTES
            return 413, f"Too large: there is room for {room // 1_000_000} MB now. Send fewer files, or wait."
        if upload:
            return 200, None
        body = await read(receive, int(length))
        if body is None:
            return 413, "The body is longer than Content-Length."
        return (200, body) if self._only_uploads(body) else (400, "Requests may only name uploaded files.")

    def _fits(self, length):
        return length + self._uploads.size() <= self._total and self._uploads.count() < self._most_files

    async def _upload(self, scope, receive, send, headers):
        """Passes an upload on, up to its Content-Length, as long as there is room for what has arrived."""
        length, arriving, upload = int(headers["content-length"]), self._uploads.arrive(), Upload(send)
        parts = Parts(headers.get("content-type", ""))

        async def counted():
            message = await receive()
            body = message.get("body", b"")
            arriving.bytes += len(body)
            if arriving.bytes > length:
                return {"type": "http.disconnect"}
            if self._uploads.size() > self._total:
                upload.refuse(f"The server has room for {self._total // 1_000_000} MB in all. Wait, and try again.")
            elif parts.count(body) > self._most_at_once + 1:  # The last one ends the body.
                upload.refuse(f"Too many files: at most {self._most_at_once:,} are allowed at a time.")
            return {"type": "http.disconnect"} if upload.refused else message

        async def kept(message):
            # Before the visitor has the answer: with it, requests may name the files.
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._uploads.keep(arriving, upload.paths(message.get("body", b"")))
            await upload.send(message)

        try:
            await self._app(scope, counted, kept)
        except Exception:  # The application's own, for a body that breaks off because it is refused.
            if not upload.refused:
                raise
        finally:
            self._uploads.keep(arriving, None)
        if upload.refused:
            await drain(receive, length - arriving.bytes)
            await answer(send, 413, upload.refused)

    def _noted(self, send, named, session):
        """Wraps `send`: files that a request names are kept for it, unless the application refuses the request."""
        self._uploads.name(named, session or "")

        async def sending(message):
            if message["type"] == "http.response.start" and message["status"] != 200:
                self._uploads.name(named, None)
            await send(message)

        return sending

    def _as_own_session(self, scope, visitor):
        """Returns (scope, session), with names of sessions under which only this visitor can ask for them."""
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        if path.startswith(_HEARTBEAT):
            path = _HEARTBEAT + self._door.own_name(path.removeprefix(_HEARTBEAT), visitor)
            return scope | {"path": path, "raw_path": path.encode()}, None
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        own = [(name, self._door.own_name(value, visitor) if name in _NAMES else value) for name, value in pairs]
        if own != pairs:
            scope = scope | {"query_string": urllib.parse.urlencode(own).encode()}
        return scope, dict(own).get(_SESSION)

    def _as_own_question(self, body, visitor):
        """Returns (the body with the visitor's own names, the paths of the files that it names, the session)."""
        question, session = json.loads(body or b"null"), None
        if isinstance(question, dict):
            for name in _NAMES & question.keys():
                if isinstance(question[name], str):
                    question[name] = self._door.own_name(question[name], visitor)
            body, session = json.dumps(question).encode(), question.get(_SESSION)
        return body, [one["path"] for one in _dicts(question) if "path" in one], session

    def _only_uploads(self, body):
        """Whether every file that a request names is an uploaded one. Gradio would fetch a URL."""
        try:
            question = json.loads(body or b"null")
            return all(
                self._uploads is not None and isinstance(one["path"], str) and self._uploads.holds(one["path"])
                for one in _dicts(question)
                if "path" in one
            )
        except (ValueError, RecursionError):
            return False

    async def _page(self, scope, receive, send, cookie):
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
        await with_headers(send, HEADERS | policy | cookie)(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _name(host):
    """ "127.0.0.1:7860" -> "127.0.0.1", "[::1]:7860" -> "::1"."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()


def _dicts(value):
    """Yields the dicts in a JSON value."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
