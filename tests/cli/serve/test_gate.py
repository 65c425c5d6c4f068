"""Which requests the gate passes, tested without Gradio and mostly without a socket."""

import asyncio
import json
import os
import socket
import threading
import time

import pytest

from lena_jax.cli.serve.gate import Gate
from lena_jax.cli.serve.limits import Limits
from lena_jax.cli.serve.uploads import Uploads

HOSTS = {"localhost", "127.0.0.1", "::1"}
UPLOAD, QUESTION = "/gradio_api/upload", "/gradio_api/queue/join"


@pytest.fixture
def uploads():
    with Uploads() as folder:
        yield folder


def ask(uploads, method, path, body=b"", hosts=HOSTS, limits=None, page=b"", **headers):
    """(status, headers, body, requests that reached the application behind the gate)."""
    asked, sent = [], []

    async def app(scope, receive, send):
        received, more = b"", True
        while more:
            message = await receive()
            received, more = received + message.get("body", b""), message.get("more_body", False)
        asked.append((scope["path"], received))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(page))]})
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
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items() if value is not None],
    }
    asyncio.run(Gate(app, uploads, limits or Limits(), hosts)(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(one.get("body", b"") for one in sent[1:]), asked


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
    code, headers, _, asked = ask(uploads, "GET", path)
    assert code == 200 and asked == [(path, b"")]
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
    code, _, body, asked = ask(uploads, method, path)
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
        code, headers, body, _ = ask(uploads, "GET", "/", page=page, accept_encoding="br")
        word = headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert code == 200 and len(word) >= 20 and int(headers["content-length"]) == len(body)
        assert body == page.replace(b"<script", f"<script nonce='{word}'".encode())
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        words.add(word)
    assert len(words) == 2
    assert ask(uploads, "HEAD", "/", page=page)[2] == b""


def test_questions_are_about_uploaded_files_only(uploads, tmp_path):
    inside = os.path.join(uploads.folder, "ab", "a.png")
    os.makedirs(os.path.dirname(inside))
    os.symlink(tmp_path, os.path.join(uploads.folder, "link"))

    def answer(path):
        body = json.dumps({"data": [None, [{"path": path}]]}).encode()
        code, _, _, asked = ask(uploads, "POST", "/gradio_api/queue/join", body)
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
        "\0",
        ["/etc/passwd"],
    ):
        assert answer(path) == 400, path
    for body in (b"{", b"[" * 100_000, b"\xff"):
        assert ask(uploads, "POST", "/gradio_api/queue/join", body)[0] == 400


def test_sizes(uploads):
    limits = Limits(max_total_megabytes=1)
    assert ask(uploads, "POST", "/gradio_api/upload", bytes(1_000_000), limits=limits)[0] == 200
    assert ask(uploads, "POST", "/gradio_api/upload", bytes(1_000_001), limits=limits)[0] == 413
    assert ask(uploads, "POST", "/gradio_api/queue/join", bytes(1 << 21), limits=limits)[0] == 413
    with open(os.path.join(uploads.folder, "there"), "wb") as file:
        file.write(bytes(600_000))
    code, _, body, asked = ask(uploads, "POST", "/gradio_api/upload", bytes(400_001), limits=limits)
    assert code == 413 and b"there is room for 0 MB now" in body and asked == []
    for length in (None, "-1", "many", "²", "9" * 5000):
        assert ask(uploads, "POST", "/gradio_api/upload", b"abcd", content_length=length)[0] == 411


@pytest.mark.parametrize("method, path", [("POST", UPLOAD), ("POST", QUESTION), ("GET", "/")])
@pytest.mark.parametrize("length", ["2", None])
def test_bodies_of_a_length_that_is_not_known_are_refused(uploads, method, path, length):
    code, headers, _, asked = ask(uploads, method, path, b"{}", content_length=length, Transfer_Encoding="chunked")
    assert code == 411 and headers["connection"] == "close" and asked == []


def test_no_more_is_taken_than_was_said(uploads):
    assert ask(uploads, "POST", QUESTION, b"[1, 2]", content_length="6")[0] == 200
    code, _, _, asked = ask(uploads, "POST", QUESTION, b"[1, 2]", content_length="5")
    assert code == 413 and asked == []
    assert ask(uploads, "POST", UPLOAD, b"abcdef", content_length="6")[3] == [(UPLOAD, b"abcdef")]
    assert ask(uploads, "POST", UPLOAD, b"abcdef", content_length="5")[3] == [(UPLOAD, b"abc")]


def test_uploads_at_a_time_share_the_room(uploads):
    """Each upload announces 600,000 of 1,000,000 bytes; the application writes what arrives."""
    receives = []

    async def app(scope, receive, send):
        with open(os.path.join(uploads.folder, scope["name"]), "wb", buffering=0) as file:
            more = True
            while more:
                message = await receive()
                assert message["type"] == "http.request"
                more = file.write(message["body"]) >= 0 and message["more_body"]
        if scope["name"] == "fails":
            os.remove(file.name)
            receives.append(receive)
            raise OSError("no space")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    gate = Gate(app, uploads, Limits(max_total_megabytes=1), HOSTS)

    async def upload(name, length, parts, sent):
        async def receive():
            return await parts.get()

        async def send(message):
            sent.append(message.get("status"))

        headers = {"host": "localhost", "content-length": str(length)}
        await gate(
            {
                "type": "http",
                "method": "POST",
                "path": UPLOAD,
                "name": name,
                "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
            },
            receive,
            send,
        )

    def part(size, more):
        return {"type": "http.request", "body": bytes(size), "more_body": more}

    async def one_after_another(name, length):
        parts, sent = asyncio.Queue(), []
        parts.put_nowait(part(length, False))
        await upload(name, length, parts, sent)
        return sent[0]

    async def main():
        parts, sent = asyncio.Queue(), []
        first = asyncio.create_task(upload("first", 600_000, parts, sent))
        await asyncio.sleep(0)
        assert await one_after_another("second", 400_001) == 413
        # What has come counts once, not as promised and again as there.
        parts.put_nowait(part(500_000, True))
        while uploads.size() < 500_000 or not parts.empty():
            await asyncio.sleep(0)
        assert await one_after_another("third", 400_001) == 413
        assert await one_after_another("fourth", 400_000) == 200
        uploads.delete([os.path.join(uploads.folder, "fourth")])
        parts.put_nowait(part(100_000, False))
        await first
        assert sent == [200] and uploads.size() == 600_000
        uploads.delete([os.path.join(uploads.folder, "first")])
        # Of two at the same moment one gets the room, and one that fails gives it back.
        assert sorted(await asyncio.gather(*(one_after_another(name, 600_000) for name in "ab"))) == [200, 413]
        uploads.delete([os.path.join(uploads.folder, name) for name in "ab"])
        with pytest.raises(OSError, match="no space"):
            parts.put_nowait(part(1, False))
            await upload("fails", 600_000, parts, sent)
        assert await one_after_another("after", 900_000) == 200
        # Who asks on after the end takes no room.
        waiting = asyncio.create_task(receives[0]())
        await asyncio.sleep(0)
        assert await one_after_another("last", 100_000) == 200
        waiting.cancel()

    asyncio.run(main())


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
                Gate(app, uploads, Limits(), HOSTS),
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
