"""What the gate lets through, without Gradio and without a socket."""

import asyncio
import json
import os

import pytest

from lena_jax.page.gate import Gate
from lena_jax.page.limits import Limits
from lena_jax.page.uploads import Uploads

HOSTS = {"localhost", "127.0.0.1", "::1"}


@pytest.fixture
def uploads():
    with Uploads() as folder:
        yield folder


def ask(uploads, method, path, body=b"", hosts=HOSTS, limits=None, page=b"", **headers):
    """(status, headers, body, what the application behind the gate was asked)."""
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

    parts = [{"type": "http.request", "body": body[:3], "more_body": True},
             {"type": "http.request", "body": body[3:], "more_body": False}]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    given = {"host": "127.0.0.1:7860", **({"content-length": str(len(body))} if method == "POST" else {})}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {"type": "http", "method": method, "path": path, "query_string": b"",
             "headers": [(name.encode(), value.encode()) for name, value in given.items() if value is not None]}
    asyncio.run(Gate(app, uploads, limits or Limits(), hosts)(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(one.get("body", b"") for one in sent[1:]), asked


@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/assets/index-a_B1.js", "/static/img/logo.svg",
                                  "/gradio_api/queue/data", "/gradio_api/heartbeat/ab1"])
def test_what_the_page_needs_is_let_through(uploads, path):
    code, headers, _, asked = ask(uploads, "GET", path)
    assert code == 200 and asked == [(path, b"")]
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("method, path", [
    ("GET", "/gradio_api/file=/etc/passwd"), ("GET", "/assets/../x"), ("GET", "/assets/..\\x"), ("GET", "/assets/a\0"),
    ("GET", "/gradio_api/info"), ("GET", "/config\n"), ("GET", "/docs"), ("GET", "/gradio_api/upload"),
    ("HEAD", "/gradio_api/file=x"), ("PUT", "/"), ("DELETE", "/config"), ("OPTIONS", "/"), ("POST", "/"),
    ("POST", "/gradio_api/call/rank"), ("POST", "/gradio_api/run/rank"), ("POST", "/login")])
def test_all_else_is_not_found(uploads, method, path):
    code, _, body, asked = ask(uploads, method, path)
    assert code == 404 and body == b"Not found." and asked == []


@pytest.mark.parametrize("host, hosts, code", [
    ("localhost:80", HOSTS, 200), ("[::1]:7860", HOSTS, 200), ("LOCALHOST", HOSTS, 200), ("evil.example", HOSTS, 403),
    ("127.0.0.1.evil.example:7860", HOSTS, 403), ("", HOSTS, 403), (None, HOSTS, 403), ("evil.example", None, 200)])
def test_names_of_the_page(uploads, host, hosts, code):
    assert ask(uploads, "GET", "/", host=host, hosts=hosts)[0] == code


@pytest.mark.parametrize("origin, code", [("http://127.0.0.1:7860", 200), ("http://evil.example", 403), ("null", 403),
                                          ("http://127.0.0.1:8000", 403)])
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
    for path in ("/etc/passwd", "http://example.com/a.png", f"{uploads.folder}/../a", uploads.folder, "a.png", 3, None,
                 f"{uploads.folder}-other/a", f"{uploads.folder}/link/a.png", "\0", ["/etc/passwd"]):
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
    assert code == 413 and b"at most 0 MB fit now" in body and asked == []
    for length in (None, "-1", "many", "²"):
        assert ask(uploads, "POST", "/gradio_api/upload", b"abcd", content_length=length)[0] == 411
