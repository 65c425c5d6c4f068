"""Connections that stall at any stage are ended soon, and nobody else waits for them."""

import socket
import threading
import time

import pytest

uvicorn = pytest.importorskip("uvicorn")
from lena_jax.cli.serve import patience  # noqa: E402

HEAD = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
BODY = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000000\r\n\r\n"


@pytest.fixture
def address(monkeypatch):
    """A server that answers a GET with 20 MB, and a POST when all of its body is there; `/events` says no more."""
    for name, value in (("HEADERS", 0.6), ("STALLED", 0.6), ("_LOOK", 0.05), ("WAITING", 5), ("LISTENING", 5)):
        monkeypatch.setattr(patience, name, value)

    async def app(scope, receive, send):
        import asyncio

        more = scope["method"] == "POST"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message["more_body"]
        large = 20_000_000 * (scope["path"] == "/large")
        length = [] if scope["path"] == "/events" else [(b"content-length", b"%d" % max(2, large))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if scope["path"] == "/events":
            await send({"type": "http.response.body", "body": b"event", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)
            return
        await send({"type": "http.response.body", "body": bytes(large) or b"ok"})

    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        config = uvicorn.Config(
            app,
            http=patience.Patience().protocol,
            log_level="critical",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()
        server.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


def connect(address, data):
    connection = socket.create_connection(address, timeout=10)
    connection.sendall(data)
    return connection


def answer(address):
    with connect(address, HEAD + b"connection: close\r\n\r\n") as connection:
        said = b""
        while part := connection.recv(65536):
            said += part
    return said.split(b"\r\n")[0]


def ended_after(connection):
    """Seconds until the server has ended a connection, whatever it still sent."""
    began = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


@pytest.mark.parametrize(
    "begin", [b"", b"GE", HEAD, HEAD + b"\r\n" + HEAD, BODY, BODY + b"x" * 1000], ids=lambda data: data[-12:]
)
def test_who_stalls_is_cut_off(address, begin):
    with connect(address, begin) as connection:
        assert answer(address) == b"HTTP/1.1 200 OK"
        assert ended_after(connection) < 3


def test_who_sends_a_byte_now_and_then_is_cut_off(address):
    with connect(address, BODY) as connection:
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 3


def test_who_does_not_read_the_answer_is_cut_off(address):
    with connect(address, HEAD.replace(b"/ ", b"/large ") + b"\r\n") as connection:
        time.sleep(2)
        received = 0
        try:
            while part := connection.recv(1 << 20):
                received += len(part)
        except ConnectionResetError:
            pass
        assert received < 20_000_000


def test_a_slow_but_steady_visitor_and_a_quiet_listener_are_served(address):
    listener = connect(address, HEAD.replace(b"/ ", b"/events ") + b"\r\n")
    body = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000\r\n\r\n"
    with connect(address, body) as connection:
        for _ in range(20):
            connection.sendall(bytes(1000))
            time.sleep(0.06)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert listener.recv(1000).startswith(b"HTTP/1.1 200")
    listener.setblocking(False)
    try:
        assert listener.recv(1000)  # Not ended.
    except BlockingIOError:
        pass
    listener.close()


def test_of_many_the_oldest_go_first(address):
    many = [connect(address, HEAD) for _ in range(30)]
    assert answer(address) == b"HTTP/1.1 200 OK"
    listeners = [connect(address, HEAD.replace(b"/ ", b"/events ") + b"\r\n") for _ in range(12)]
    assert ended_after(listeners[0]) < 3 and answer(address) == b"HTTP/1.1 200 OK"
    for one in many + listeners:
        one.close()
