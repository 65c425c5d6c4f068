"""Which requests the gate passes, tested without Gradio and mostly without a socket."""

import asyncio
import json
import os
import socket
import threading
import time

import pytest

from lena_jax.cli.serve.door import Door
from lena_jax.cli.serve.gate import Gate
from lena_jax.cli.serve.limits import Limits
from lena_jax.cli.serve.uploads import Uploads

HOSTS = {"localhost", "127.0.0.1", "::1"}
UPLOAD, QUESTION = "/gradio_api/upload", "/gradio_api/queue/join"


@pytest.fixture
def uploads():
    with Uploads() as folder:
        yield folder


def put(uploads, name, content=b"abc"):
    """Upload a file."""
    path = os.path.join(uploads.folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    uploads.keep(uploads.arrive(), [path])
    return path


def ask(
    uploads, method, path, body=b"", hosts=HOSTS, limits=None, page=b"", door=None, query="", status=200, **headers
):
    """(status, headers, body, requests that reached the application behind the gate, scope of the last one)."""
    asked, sent, seen = [], [], {}

    async def app(scope, receive, send):
        received, more = b"", True
        while more:
            message = await receive()
            received, more = received + message.get("body", b""), message.get("more_body", False)
        asked.append((scope["path"], received))
        seen.update(scope)
        length = [(b"content-length", b"%d" % len(page))]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": page[:5], "more_body": True})
        await send({"type": "http.response.body", "body": page[5:]})

    parts = [
        {"type": "http.request", "body": body[:3], "more_body": True},
        {"type": "http.request", "body": body[3:], "more_body": False},
    ]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    given = {"host": "127.0.0.1:7860", **({"content-length": str(len(body))} if method == "POST" else {})}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value is not None],
    }
    asyncio.run(Gate(app, uploads, limits or Limits(), hosts, door or Door(None, 7860))(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(one.get("body", b"") for one in sent[1:]), asked, seen


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/theme.css",
        "/assets/index-a_B1.js",
        "/static/img/logo.svg",
        "/gradio_api/queue/data",
        "/gradio_api/heartbeat/ab1",
    ],
)
def test_what_the_page_needs_is_let_through(uploads, path):
    code, headers, _, asked, _ = ask(uploads, "GET", path)
    assert code == 200 and len(asked) == 1 and (asked[0][0] == path or "heartbeat" in path)
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/assets/../x"),
        ("GET", "/assets/..\\x"),
        ("GET", "/assets/a\0"),
        ("GET", "/gradio_api/info"),
        ("GET", "/config\n"),
        ("GET", "/docs"),
        ("GET", "/gradio_api/upload"),
        ("HEAD", "/gradio_api/file=x"),
        ("PUT", "/"),
        ("DELETE", "/config"),
        ("OPTIONS", "/"),
        ("POST", "/"),
        ("POST", "/gradio_api/call/rank"),
        ("POST", "/gradio_api/run/rank"),
        ("POST", "/login"),
    ],
)
def test_all_else_is_not_found(uploads, method, path):
    code, _, body, asked, _ = ask(uploads, method, path)
    assert code == 404 and body == b"Not found." and asked == []


@pytest.mark.parametrize(
    "host, hosts, code",
    [
        ("localhost:80", HOSTS, 200),
        ("[::1]:7860", HOSTS, 200),
        ("LOCALHOST", HOSTS, 200),
        ("evil.example", HOSTS, 403),
        ("127.0.0.1.evil.example:7860", HOSTS, 403),
        ("", HOSTS, 403),
        (None, HOSTS, 403),
        ("evil.example", None, 200),
    ],
)
def test_names_of_the_page(uploads, host, hosts, code):
    assert ask(uploads, "GET", "/", host=host, hosts=hosts)[0] == code


@pytest.mark.parametrize(
    "origin, code",
    [("http://127.0.0.1:7860", 200), ("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:8000", 403)],
)
def test_other_pages_may_not_ask(uploads, origin, code):
    assert ask(uploads, "POST", "/gradio_api/queue/join", b"{}", origin=origin)[0] == code


def test_scripts_need_the_word_of_this_answer(uploads):
    page = b"<html><script>1</script><script src=a></script></html>"
    words = set()
    for _ in range(2):
        code, headers, body, _, _ = ask(uploads, "GET", "/", page=page, accept_encoding="br")
        word = headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert code == 200 and len(word) >= 20 and int(headers["content-length"]) == len(body)
        assert body == page.replace(b"<script", f"<script nonce='{word}'".encode())
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        words.add(word)
    assert len(words) == 2
    assert ask(uploads, "HEAD", "/", page=page)[2] == b""


def test_questions_are_about_uploaded_files_only(uploads, tmp_path):
    inside = put(uploads, "ab/a.png")
    os.symlink(tmp_path, os.path.join(uploads.folder, "link"))

    def answer(path):
        body = json.dumps({"data": [None, [{"path": path}]]}).encode()
        code, _, _, asked, _ = ask(uploads, "POST", "/gradio_api/queue/join", body)
        assert asked == ([("/gradio_api/queue/join", body)] if code == 200 else [])
        return code

    assert answer(inside) == 200
    for path in (
        "/etc/passwd",
        "http://example.com/a.png",
        f"{uploads.folder}/../a",
        uploads.folder,
        "a.png",
        3,
        None,
        f"{uploads.folder}-other/a",
        f"{uploads.folder}/link/a.png",
        f"{uploads.folder}/ab/../ab/a.png",
        "\0",
        ["/etc/passwd"],
    ):
        assert answer(path) == 400, path
    for body in (b"{", b"[" * 100_000, b"\xff"):
        assert ask(uploads, "POST", "/gradio_api/queue/join", body)[0] == 400


def test_sizes(uploads):
    limits = Limits(max_total_megabytes=1)
    assert ask(uploads, "POST", "/gradio_api/upload", bytes(1_000_000), limits=limits)[0] == 200
    uploads.sweep(3600)
    assert ask(uploads, "POST", "/gradio_api/upload", bytes(1_000_001), limits=limits)[0] == 413
    assert ask(uploads, "POST", "/gradio_api/queue/join", bytes(1 << 21), limits=limits)[0] == 413
    put(uploads, "ab/there", bytes(600_000))
    code, _, body, asked, _ = ask(uploads, "POST", "/gradio_api/upload", bytes(400_001), limits=limits)
    assert code == 413 and b"there is room for 0 MB now" in body and asked == []
    for length in (None, "-1", "many", "²", "9" * 5000):
        assert ask(uploads, "POST", "/gradio_api/upload", b"abcd", content_length=length)[0] == 411


@pytest.mark.parametrize("method, path", [("POST", UPLOAD), ("POST", QUESTION), ("GET", "/")])
@pytest.mark.parametrize("length", ["2", None])
def test_bodies_of_a_length_that_is_not_known_are_refused(uploads, method, path, length):
    code, headers, _, asked, _ = ask(uploads, method, path, b"{}", content_length=length, Transfer_Encoding="chunked")
    assert code == 411 and headers["connection"] == "close" and asked == []


def test_no_more_is_taken_than_was_said(uploads):
    assert ask(uploads, "POST", QUESTION, b"[1, 2]", content_length="6")[0] == 200
    code, _, _, asked, _ = ask(uploads, "POST", QUESTION, b"[1, 2]", content_length="5")
    assert code == 413 and asked == []
    assert ask(uploads, "POST", UPLOAD, b"abcdef", content_length="6")[3] == [(UPLOAD, b"abcdef")]
    assert ask(uploads, "POST", UPLOAD, b"abcdef", content_length="5")[3] == [(UPLOAD, b"abc")]


def test_uploads_are_charged_for_what_has_come(uploads):
    """The application writes what arrives; whoever crosses the limit is refused, and promises take no room."""

    async def app(scope, receive, send):
        path = os.path.join(uploads.folder, scope["name"])
        with open(path, "wb", buffering=0) as file:
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise OSError("the visitor has gone")
                more = file.write(message["body"]) >= 0 and message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps([path]).encode()})

    gate = Gate(app, uploads, Limits(max_total_megabytes=1, max_pictures=3), HOSTS, Door(None, 7860))

    async def upload(name, length, parts, sent):
        async def receive():
            return await parts.get()

        async def send(message):
            sent.append(message.get("status"))

        headers = {
            "host": "localhost",
            "content-length": str(length),
            "content-type": "multipart/form-data; boundary=X",
        }
        await gate(
            {
                "type": "http",
                "method": "POST",
                "path": UPLOAD,
                "name": name,
                "query_string": b"",
                "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
            },
            receive,
            send,
        )

    def part(body, more):
        return {"type": "http.request", "body": body if isinstance(body, bytes) else bytes(body), "more_body": more}

    async def whole(name, body):
        parts, sent = asyncio.Queue(), []
        parts.put_nowait(part(body, False))
        await upload(name, body if isinstance(body, int) else len(body), parts, sent)
        return sent[0]

    async def main():
        idle, sent = asyncio.Queue(), []
        first = asyncio.create_task(upload("first", 1_000_000, idle, sent))
        await asyncio.sleep(0)
        assert uploads.size() == 0 and await whole("second", 900_000) == 200
        assert uploads.size() == 900_000 and uploads.count() == 1
        assert await whole("third", 200_000) == 413 and uploads.size() == 900_000
        idle.put_nowait(part(50_000, True))
        while uploads.size() < 950_000:
            await asyncio.sleep(0)
        idle.put_nowait(part(100_000, True))
        idle.put_nowait(part(0, False))
        await first
        # What a broken upload has left counts until it is swept away.
        assert sent[0] == 413 and uploads.size() == 1_050_000
        uploads.sweep(3600)
        assert uploads.size() == 900_000 and os.listdir(uploads.folder) == ["second"]
        uploads.delete([os.path.join(uploads.folder, "second")])
        assert uploads.size() == 0
        assert await whole("few", b"--X\r\n" * 3 + b"--X--") == 200
        assert await whole("many", b"--X\r\n" * 5 + b"--X--") == 413

    asyncio.run(main())


def test_a_file_is_kept_for_the_request_that_names_it(uploads, monkeypatch):
    monkeypatch.setattr("lena_jax.cli.serve.uploads.SPARE", 0)
    named, other = (put(uploads, name, bytes(600_000)) for name in ("ab/a.png", "cd/b.png"))
    body = json.dumps({"data": [[{"path": named}]]}).encode()
    assert ask(uploads, "POST", QUESTION, body)[0] == 200
    limits = Limits(max_total_megabytes=2)
    assert ask(uploads, "POST", UPLOAD, bytes(1_200_000), limits=limits)[0] == 200
    assert os.path.exists(named) and not os.path.exists(other)
    assert ask(uploads, "POST", QUESTION, body, status=503)[0] == 503
    assert ask(uploads, "POST", UPLOAD, bytes(1_800_000), limits=limits)[0] == 413  # The broken upload before counts.
    assert not os.path.exists(named)


def test_a_session_belongs_to_the_visitor_that_began_it(uploads):
    """Whoever knows the name of a session, but not the cookie, asks the application for another one."""
    door, seen = Door(None, 7860), []
    for cookie in ("lena-jax-7860=mine.1", "lena-jax-7860=other.2", "lena-jax-7860=mine.1"):
        names = [
            json.loads(ask(uploads, "POST", QUESTION, b'{"session_hash": "abc"}', door=door, cookie=cookie)[3][0][1]),
            ask(uploads, "GET", "/gradio_api/heartbeat/abc", door=door, cookie=cookie)[3][0][0].rpartition("/")[2],
            ask(uploads, "GET", "/gradio_api/queue/data", door=door, cookie=cookie, query="session_hash=abc")[4][
                "query_string"
            ].decode(),
        ]
        seen.append((names[0]["session_hash"], names[1], names[2].removeprefix("session_hash=")))
        assert len(set(seen[-1])) == 1 and "abc" not in seen[-1]
    assert seen[0] == seen[2] != seen[1]


def test_over_a_socket_nothing_of_unknown_length_is_read(uploads):
    uvicorn = pytest.importorskip("uvicorn")
    asked = []

    async def app(scope, receive, send):
        asked.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(
                Gate(app, uploads, Limits(), HOSTS, Door(None, 7860)),
                log_level="critical",
                ws="none",
                lifespan="off",
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()

        def answer(headers, body):
            with socket.create_connection(listening.getsockname(), timeout=10) as connection:
                connection.sendall(f"POST {UPLOAD} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n".encode() + body)
                said = part = connection.recv(65536)
                # It does not wait for the end, which never comes.
                while part and b" 200 " not in said:
                    part = connection.recv(65536)
            return said.split(b"\r\n")[0]

        try:
            while not server.started:
                time.sleep(0.01)
            assert b" 200 " in answer("content-length: 4\r\n", b"abcd") and asked == [b"abcd"]
            for headers in (
                "transfer-encoding: chunked\r\n",
                "content-length: 4\r\ntransfer-encoding: chunked\r\n",
                "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
            ):
                assert b" 411 " in answer(headers, b"4\r\nabcd\r\n")
            assert len(asked) == 1
        finally:
            server.should_exit = True
            thread.join(10)
        assert not thread.is_alive()
