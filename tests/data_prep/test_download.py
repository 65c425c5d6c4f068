"""The downloader against a server on this machine that delays, fails, truncates, lies, redirects and floods."""

import email.utils
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from data_prep.download import LEDGER, Limits, fetch

QUICK = Limits(delay=0, backoff=0.01, timeout=0.5, total_timeout=2, max_bytes=100_000)


def encode(picture_format, size=(40, 30)):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, picture_format)
    return buffer.getvalue()


JPEG, PNG = encode("JPEG"), encode("PNG")


class Server(ThreadingHTTPServer):
    """Answers by the address's first part; counts requests, their times, and how many were open at once."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = Counter()
        self.times = []
        self.open = self.most_open = 0
        self.lock = threading.Lock()
        self.down = False

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.server_port}/{path}"

    def handle_error(self, *_):
        """Clients that hang up are a part of the tests."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): ...

    def do_GET(self):
        server = self.server
        with server.lock:
            server.requests[self.path] += 1
            server.times.append(time.monotonic())
            server.open += 1
            server.most_open = max(server.most_open, server.open)
        try:
            if server.down:
                return self.send(b"", status=503)
            kind = self.path.split("/")[1]
            getattr(self, f"do_{kind}")(server.requests[self.path])
        finally:
            with server.lock:
                server.open -= 1

    def send(self, body, status=200, kind="image/jpeg", **headers):
        self.send_response(status)
        headers = {"Content_Type": kind, "Content_Length": str(len(body)), **headers}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_good(self, _):
        self.send(JPEG)

    def do_png(self, _):
        # A name and a type that are not the content's.
        self.send(PNG, kind="image/jpeg")

    def do_untyped(self, _):
        self.send(JPEG, kind=None, Content_Length=None)

    def do_slow(self, _):
        time.sleep(0.1)
        self.send(JPEG)

    def do_silent(self, count):
        if count == 1:
            time.sleep(1.5)
        self.send(JPEG)

    def do_drip(self, _):
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def do_dripheader(self, _):
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def do_recovers(self, count):
        self.send(JPEG, status=500 if count < 3 else 200)

    def do_fails(self, _):
        self.send(b"", status=502)

    def do_gone(self, _):
        self.send(b"", status=404 if self.path.endswith("404") else 410)

    def do_forbidden(self, _):
        self.send(b"", status=403)

    def do_busy(self, count):
        wait = "1" if self.path.endswith("seconds") else email.utils.formatdate(time.time() + 1.9, usegmt=True)
        self.send(JPEG, status=429 if count == 1 else 200, Retry_After=wait)

    def do_tomorrow(self, _):
        self.send(b"", status=503, Retry_After="86400")

    def do_truncated(self, count):
        self.send(JPEG if count > 1 else JPEG[:500], Content_Length=str(len(JPEG)))

    def do_short(self, _):
        # Says less than there is, so that the end is missing.
        self.send(JPEG, Content_Length="700")

    def do_broken(self, _):
        self.send(JPEG[:-100], Content_Length=None)

    def do_html(self, _):
        self.send(b"<html>sorry</html>", kind="text/html")

    def do_lies(self, _):
        self.send(b"<html>sorry</html>", kind="image/jpeg")

    def do_huge(self, _):
        self.send(b"", Content_Length=str(10**12))

    def do_flood(self, _):
        self.send_response(200)
        self.end_headers()
        block = bytes(65536)
        for _ in range(1000):
            self.wfile.write(block)

    def do_away(self, _):
        self.send(b"", status=302, Location="/good/after-a-redirect")

    def do_circle(self, _):
        self.send(b"", status=301, Location=self.path)

    def do_endless(self, count):
        self.send(b"", status=302, Location=f"/endless/{sum(self.server.requests.values())}")

    def do_file(self, _):
        self.send(b"", status=302, Location="file:///etc/passwd")

    def do_ftp(self, _):
        self.send(b"", status=302, Location="ftp://127.0.0.1/x.jpg")

    def do_nowhere(self, _):
        self.send(b"", status=302)

    def do_placeholder(self, _):
        self.send(b"", status=302, Location="/removed.png")

    # The name is the whole address.
    def __getattr__(self, name):
        if name == "do_removed.png":
            return lambda _: self.send(PNG, kind="image/png")
        raise AttributeError(name)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def get(server, tmp_path):
    """Fetches `paths` of the server under their own names; returns the result."""

    def get(*paths, limits=QUICK, **options):
        addresses = {path.replace("/", "-").replace(".", "_"): server.url(path) for path in paths}
        return fetch(addresses, tmp_path / "pictures", limits, **options)

    return get


def files(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "pictures").iterdir() if path.name != LEDGER}


def ledger(tmp_path):
    return [json.loads(line) for line in (tmp_path / "pictures" / LEDGER).read_text().splitlines()]


def test_pictures_come_whole_and_are_named_by_their_content(get, tmp_path):
    result = get("good/1", "png/1", "untyped/1", "slow/1", "away/1")
    assert (result.there, result.fetched, result.gone, result.failed) == (0, 5, {}, {})
    expected = {f"{kind}-1.jpg": JPEG for kind in ("good", "untyped", "slow", "away")}
    assert files(tmp_path) == {**expected, "png-1.png": PNG}
    assert {entry["name"]: entry["outcome"] for entry in ledger(tmp_path)}["png-1"] == "fetched"


def test_failures_that_pass_are_tried_again(get, server, tmp_path):
    result = get("recovers/1", "truncated/1", "silent/1")
    assert result.fetched == 3 and not result.failed
    assert server.requests == {"/recovers/1": 3, "/truncated/1": 2, "/silent/1": 2}
    assert set(files(tmp_path).values()) == {JPEG}


def test_trying_ends(get, server, tmp_path):
    result = get(
        "fails/1", "drip/1", "dripheader/1", limits=Limits(delay=0, backoff=0.01, attempts=2, total_timeout=0.5)
    )
    assert "502 (tried 2 times)" in result.failed["fails-1"]
    assert "not finished in 0.5 s (tried 2 times)" in result.failed["drip-1"]
    assert "not finished in 0.5 s (tried 2 times)" in result.failed["dripheader-1"]
    assert set(server.requests.values()) == {2} and not files(tmp_path)


REFUSED = {
    "html/1": "content type: got 'text/html', expected a picture",
    "lies/1": "does not decode",
    "short/1": "does not decode",
    "broken/1": "does not decode",
    "forbidden/1": "the server says 403",
    "huge/1": "the server says 1,000,000,000,000 bytes, expected at most 100,000",
    "flood/1": "more than 100,000 bytes",
    "circle/1": "redirects in a circle",
    "endless/1": "more than 5 redirects",
    "file/1": "got an address with 'file', expected http or https",
    "ftp/1": "got an address with 'ftp', expected http or https",
    "nowhere/1": "without saying where",
}


def test_what_is_no_picture_is_refused_at_once_and_asked_for_again_another_day(get, server, tmp_path):
    for day in (1, 2):
        result = get(*REFUSED)
        assert result.fetched == 0 and not result.gone
        for path, reason in REFUSED.items():
            assert reason in result.failed[path.replace("/", "-")]
            if not path.startswith("endless"):
                assert server.requests[f"/{path}"] == day
    assert not files(tmp_path)


def test_what_is_gone_is_never_asked_for_again(get, server):
    paths = ("gone/404", "gone/410", "placeholder/1")
    first = get(*paths)
    assert sorted(first.gone) == ["gone-404", "gone-410", "placeholder-1"]
    assert "removed pictures" in first.gone["placeholder-1"]
    asked = sum(server.requests.values())
    second = get(*paths)
    assert sorted(second.gone) == sorted(first.gone) and sum(server.requests.values()) == asked


def test_a_new_address_is_asked_for(server, tmp_path):
    assert fetch({"a": server.url("gone/404")}, tmp_path, QUICK).gone
    assert fetch({"a": server.url("good/1")}, tmp_path, QUICK).fetched == 1


def test_pictures_that_are_there_are_not_asked_for(get, server, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "good-1.JPEG").write_bytes(b"put here by hand")
    result = get("good/1", "good/2")
    assert (result.there, result.fetched) == (1, 1) and server.requests == {"/good/2": 1}
    assert files(tmp_path)["good-1.JPEG"] == b"put here by hand"
    assert get("good/1", "good/2").there == 2


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_retry_after_is_respected_by_the_whole_server(get, server, kind):
    result = get(f"busy/{kind}", "good/1", limits=Limits(delay=0, backoff=0, workers=1))
    assert result.fetched == 2
    first, second = server.times[:2]
    assert second - first >= 0.85


def test_a_server_that_asks_for_too_long_a_wait_is_left_alone(get, server):
    result = get("tomorrow/1", "good/1", "good/2", limits=Limits(delay=0, workers=1))
    assert len(result.failed) == 3 and "asks to wait 86,400 s" in result.failed["good-2"]
    assert sum(server.requests.values()) == 1


def test_a_server_that_is_down_is_left_alone_and_others_are_not(server, tmp_path):
    addresses = {f"bad{number}": server.url(f"fails/{number}") for number in range(50)}
    addresses |= {f"good{number}": server.url(f"good/{number}", "localhost") for number in range(3)}
    limits = Limits(delay=0, backoff=0.01, attempts=2, host_failures=4, per_host=1)
    result = fetch(addresses, tmp_path, limits)
    assert result.fetched == 3 and len(result.failed) == 50
    assert sum(1 for reason in result.failed.values() if "was left alone" in reason) == 46


def test_no_server_at_all(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed_at_once:
        port = closed_at_once.getsockname()[1]
    result = fetch({"a": f"http://127.0.0.1:{port}/x.jpg"}, tmp_path, Limits(attempts=2, backoff=0.01))
    assert "cannot connect" in result.failed["a"] and "tried 2 times" in result.failed["a"]


def test_politeness(get, server):
    paths = [f"slow/{number}" for number in range(12)]
    get(*paths, limits=Limits(delay=0, per_host=3, workers=8))
    assert server.most_open == 3
    server.times.clear()
    get(*[f"good/{number}" for number in range(6)], limits=Limits(delay=0.1))
    gaps = np.diff(sorted(server.times))
    # The server's clock starts when the request arrives.
    assert gaps.mean() > 0.09 and server.times[-1] - server.times[0] > 0.45


def test_progress_is_shown_for_what_is_asked_for(get):
    totals = []

    def progress(outcomes, total):
        totals.append(total)
        for outcome in outcomes:
            totals.append(1)
            yield outcome

    get("good/1")
    get("good/1", "good/2", "gone/404", progress=progress)
    assert totals == [2, 1, 1]


def test_an_interrupted_download_goes_on(get, server, tmp_path):
    paths = [f"good/{number}" for number in range(20)]

    def interrupt(outcomes, total):
        for number, outcome in enumerate(outcomes):
            if number == 5:
                raise KeyboardInterrupt
            yield outcome

    with pytest.raises(KeyboardInterrupt):
        get(*paths, progress=interrupt, limits=Limits(delay=0.02))
    there = len(files(tmp_path))
    assert 5 <= there < 20
    result = get(*paths)
    assert result.there == there and result.fetched == 20 - there
    # Those under way when it was interrupted may be asked for again.
    assert sum(server.requests.values()) <= 20 + Limits().per_host
    assert len(files(tmp_path)) == 20 and set(files(tmp_path).values()) == {JPEG}


def test_a_killed_download_goes_on(server, tmp_path):
    addresses = {str(number): server.url(f"slow/{number}") for number in range(30)}
    script = """
import json, sys
from data_prep.download import Limits, fetch
fetch(json.loads(sys.argv[1]), sys.argv[2], Limits(delay=0))
"""
    process = subprocess.Popen([sys.executable, "-c", script, json.dumps(addresses), str(tmp_path / "pictures")])
    deadline = time.monotonic() + 30
    while len(server.times) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = len([name for name in files(tmp_path) if not name.startswith(".")])
    # As if killed in the middle of writing a picture, and of a line.
    (tmp_path / "pictures" / ".part-7.jpg").write_bytes(JPEG[:100])
    with (tmp_path / "pictures" / LEDGER).open("a") as file:
        file.write('{"name": "7", "ou')
    result = fetch(addresses, tmp_path / "pictures", QUICK)
    assert result.there == there and result.fetched == 30 - there and 0 < there < 30
    assert set(files(tmp_path)) == {f"{number}.jpg" for number in range(30)}
    assert all(entry["outcome"] == "fetched" for entry in ledger(tmp_path))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a.b", "-x", "x\n", "é"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected letters, digits"):
        fetch({name: "http://127.0.0.1/"}, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


def test_links_are_replaced_and_not_followed(get, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "secret").write_bytes(b"mine")
    (tmp_path / "pictures" / ".part-good-1.jpg").symlink_to(tmp_path / "secret")
    assert get("good/1").fetched == 1
    assert (tmp_path / "secret").read_bytes() == b"mine"
    (tmp_path / "pictures" / LEDGER).unlink()
    (tmp_path / "pictures" / LEDGER).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        get("good/2")
    assert (tmp_path / "secret").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a/b", "//x/y", "", "http://", "http://a b/", "http://u:p@h/", "http://h:99999/"],
)
def test_other_addresses_are_not_asked_for(tmp_path, url):
    result = fetch({"a": url, "b": url}, tmp_path)
    assert sorted(result.failed) == ["a", "b"] and not result.fetched


def test_one_download_into_a_folder_at_a_time(get, tmp_path):
    def again(outcomes, total):
        with pytest.raises(ValueError, match="another download is under way"):
            get("good/2")
        yield from outcomes

    assert get("good/1", progress=again).fetched == 1


def test_a_foreign_ledger_is_named(get, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / LEDGER).write_text("1,2,3\n")
    with pytest.raises(ValueError, match=f"{LEDGER}, line 1"):
        get("good/1")


def test_a_full_disk_ends_it(get, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        get(*[f"good/{number}" for number in range(10)])


def test_a_file_as_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; expected a folder"):
        fetch({}, tmp_path / "file")


@pytest.mark.parametrize("change", [{"workers": 0}, {"redirects": -1}, {"timeout": 0}, {"delay": float("nan")}])
def test_limits_are_checked(change):
    (name,) = change
    with pytest.raises(ValueError, match=f"{name}: got .*, expected"):
        Limits(**change)
