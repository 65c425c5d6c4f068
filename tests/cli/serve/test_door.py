"""Who comes in: with a password or token once, with the cookie after that."""

import asyncio
import time
import urllib.parse

import pytest

from lena_jax.cli.serve import door as door_module
from lena_jax.cli.serve.door import Door
from lena_jax.cli.serve.gate import Gate
from lena_jax.cli.serve.limits import Limits
from lena_jax.cli.serve.uploads import Uploads


@pytest.fixture
def visit(monkeypatch):
    """A function: (method, path, query, form, cookie) -> (status, headers, body, whether the application was asked)."""
    monkeypatch.setattr(door_module, "_PAUSE", 0.05)
    door, asked = Door("o p\u00e9n", 80), []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    def visit(method="GET", path="/", query="", form=b"", cookie=None, length=None):
        sent = []

        async def receive():
            return {"type": "http.request", "body": form, "more_body": False}

        async def send(message):
            sent.append(message)

        headers = {"host": "example.com", "content-length": str(len(form) if length is None else length)}
        headers |= {"cookie": cookie} if cookie else {}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        asked.clear()
        with Uploads() as uploads:
            asyncio.run(Gate(app, uploads, Limits(), None, door)(scope, receive, send))
        got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], got, b"".join(one.get("body", b"") for one in sent[1:]), bool(asked)

    return visit


@pytest.mark.parametrize(
    "method, path",
    [("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/upload"), ("GET", "/gradio_api/queue/data"), ("PUT", "/")],
)
@pytest.mark.parametrize("cookie", [None, "lena-jax-80=", "lena-jax-80=a.b", "lena-jax-81=a.b", "=;=;\x01", "x" * 9000])
def test_nobody_comes_in_without_it(visit, method, path, cookie):
    code, headers, body, inside = visit(method, path, cookie=cookie)
    assert code == 401 and not inside and "set-cookie" not in headers and b"inside" not in body


def test_the_token_of_the_address_opens_the_page_and_is_not_kept_in_it(visit):
    code, headers, _, inside = visit(query=urllib.parse.urlencode({"token": "o p\u00e9n"}))
    assert code == 303 and headers["location"] == "/" and not inside
    cookie, *rest = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax"} <= set(rest) and "p\u00e9n" not in cookie
    assert visit("GET", "/config", cookie=f"other=1; {cookie}")[3]
    changed = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    assert visit("GET", "/config", cookie=changed)[0] == 401


def test_the_form_takes_the_password(visit):
    code, headers, body, _ = visit()
    assert code == 401 and b'name="password"' in body and "form-action 'self'" in headers["content-security-policy"]
    assert visit("POST", "/login", form=b"password=o+p%C3%A9n")[0] == 303
    began = time.monotonic()
    for form in (b"password=open", b"password=%ff", b"password=" + "\u00e9".encode()):
        code, _, body, _ = visit("POST", "/login", form=form)
        assert code == 401 and b"This is not the password." in body
    assert time.monotonic() - began > 0.15
    for length in (9000, "", "-1", "x", None):
        assert visit("POST", "/login", form=b"password" * 3, length=length)[0] == 401


def test_a_door_without_a_password_gives_each_visitor_a_cookie():
    door = Door(None, 80)
    assert door.is_open(None) and door.is_open("x")
    first, second = door.cookie()["set-cookie"], door.cookie()["set-cookie"]
    assert first != second
    assert door.own_name("abc", first) != door.own_name("abc", second) != door.own_name("abc", None)
