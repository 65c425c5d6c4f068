"""`lena-jax judge` in a browser: keys, undo, two judges, a kill, damaged pictures, a phone, and requests by others."""

import csv
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import browser
import numpy as np
import pytest
from PIL import Image

from lena_jax.cli.judge.server import Shown, names_of
from lena_jax.cli.main import main

needs_page = pytest.mark.skipif(importlib.util.find_spec("fastapi") is None, reason="gradio is not installed")
needs_browser = pytest.mark.skipif(browser.PATH is None, reason="no Chromium is installed")
KEY = "(document.body.dataset.key ?? '')"
TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight pictures, two of them damaged, one with a name that is markup and a formula."""
    images = tmp_path_factory.mktemp("judged")
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(images / f"{number}.jpg")
    Image.new("RGB", (2000, 1500), "red").save(images / "=1+1<b onload=x>,.png")
    for name in ("broken.jpg", "empty.png"):
        (images / name).write_bytes(b"")
    return images


class Judge:
    """A running `lena-jax judge`."""

    def __init__(self, folder, output):
        command = [sys.executable, "-m", "lena_jax", "judge", str(folder), "-o", str(output), "--port=0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("open "):
                self.address = line.split()[1]
                return
        raise RuntimeError("it did not start")

    def end(self, number):
        self.process.send_signal(number)
        said = self.process.communicate(timeout=60)[1]
        return self.process.returncode, said

    def post(self, path, body, **headers):
        headers = {"content-type": "application/json"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def enter(tab, address, name, width=1200):
    tab.open(address, width)
    tab.value(f"document.getElementById('judge').value = '{name}'; document.querySelector('#who button').click()")
    tab.wait(f"{KEY} != '' && document.getElementById('left-picture').naturalWidth")


def press(tab, key):
    before = tab.value(KEY)
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key)
    tab.wait(f"{KEY} != '{before}'")


def rows_of(path):
    with open(path, newline="") as file:
        return [(row["winner"], row["judge"]) for row in csv.DictReader(file)]


@needs_page
@needs_browser
def test_a_session_of_two_judges_with_a_kill(folder, tmp_path):
    output = tmp_path / "choices.csv"
    served = Judge(folder, output)
    with browser.Browser() as one:
        enter(one, served.address, "ann")
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
            press(one, key)
        winners = ["left", "right", "tie", "skip"]
        assert rows_of(output) == [(winner, "ann") for winner in winners]
        shown = one.value("document.getElementById('left-picture').src")
        press(one, "u")
        assert rows_of(output)[-1] == ("undo", "ann") and "3 choices by you" in one.value(TEXT)
        press(one, "ArrowDown")
        assert one.value("document.getElementById('left-picture').src") == shown  # The pair that was next before.
        assert not one.errors()
        assert all(url.startswith(served.address) for url in one.requests())

        served.end(signal.SIGKILL)
        assert len(rows_of(output)) == 6
        one.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowLeft")
        one.wait("document.getElementById('failed').textContent.startsWith('Not stored')")
        served = Judge(folder, output)
        with browser.Browser() as other:
            enter(one, served.address, "ann")
            enter(other, served.address, "bob", 390)
            assert other.value("document.documentElement.scrollWidth") <= 390  # Nothing is cut off on a phone.
            places = "['left', 'right'].map(id => document.getElementById(id).getBoundingClientRect())"
            assert other.value(f"(([a, b]) => a.bottom <= b.top && b.bottom <= innerHeight)({places})")
            for _ in range(5):
                press(one, "ArrowLeft")
                key = other.value(KEY)
                other.value("document.getElementById('right').click()")
                other.wait(f"{KEY} != '{key}'")
            press(one, "ArrowLeft")
            assert "9 choices by you, 14 in all by 2 judges" in one.value(TEXT)
        # Six good pictures have 15 pairs; ann answered 10, one of them by skipping.
        for _ in range(5):
            press(one, "ArrowRight")
        assert "no further pair" in one.value(TEXT) and "6 pictures, 2 passed over" in one.value(TEXT)
    code, said = served.end(signal.SIGINT)
    assert code == 130 and "19 choices are in" in said and "Enough? lena-jax train " in said
    rows = rows_of(output)
    assert [judge for _, judge in rows].count("bob") == 5 and len(rows) == 6 + 5 + 6 + 5


@needs_page
def test_only_the_page_itself_may_choose(folder, tmp_path):
    output = tmp_path / "choices.csv"
    served = Judge(folder, output)
    try:
        status, state = served.post("next", {"judge": "ann"})
        assert status == 200
        choice = {"judge": "ann", "key": state["key"], "winner": "left"}
        assert served.post("choose", choice, origin="http://evil.example")[0] == 403
        assert served.post("choose", choice, host="evil.example")[0] == 403
        assert served.post("choose", choice | {"winner": "best"})[0] == 422
        assert served.post("choose", choice | {"judge": "=cmd|'/c calc'!A1"})[0] == 422
        assert served.post("choose", choice | {"judge": ["ann"]})[0] == 422
        assert served.post("choose", choice | {"path": "/etc/passwd"})[0] == 400
        for path in ("docs", "openapi.json", "picture/0123456789abcdef", "picture/..%2f1", "choices.csv"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(served.address + path, timeout=20)
            caught.value.close()
            assert caught.value.code == 404
        with urllib.request.urlopen(served.address, timeout=20) as page:
            assert "script-src 'self'" in page.headers["content-security-policy"]
        assert rows_of(output) == []
        assert served.post("choose", choice)[0] == 200 and rows_of(output) == [("left", "ann")]
    finally:
        served.end(signal.SIGTERM)


def test_what_cannot_be_judged_is_said_at_once(folder, tmp_path, capsys):
    for arguments, said in (
        ([str(tmp_path / "none"), "-o", str(tmp_path / "c.csv")], "expected a folder of pictures"),
        ([str(tmp_path), "-o", str(tmp_path / "c.csv")], "got 0 pictures"),
        ([str(folder), "-o", str(tmp_path / "none" / "c.csv")], "expected a file in a folder that exists"),
        ([str(folder), "-o", str(tmp_path / "c.txt")], "expected a name that ends in .csv"),
        ([str(folder), "-o", str(tmp_path / "c.csv"), "--random=2"], "expected a share in [0, 1]"),
    ):
        assert main(["judge", *arguments]) == 2
        assert said in capsys.readouterr().err
    other = tmp_path / "scores.csv"
    other.write_text("image,score\n")
    assert main(["judge", str(folder), "-o", str(other), "--port=0"]) == 2 and other.read_text() == "image,score\n"


def test_large_pictures_are_shown_small_and_upright(tmp_path):
    pixels = np.zeros((2600, 2700, 3), np.uint8)
    pixels[:, :1350] = (250, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter: red is above.
    Image.fromarray(pixels).save(tmp_path / "large.jpg", exif=exif)
    Image.fromarray(pixels[:30, 1330:1370]).save(tmp_path / "small.png")
    shown = Shown(tmp_path, ["large.jpg", "small.png", "none.jpg"])
    large, small = (Image.open(io.BytesIO(shown.jpeg(number))) for number in (0, 1))
    assert large.size == (1233, 1280) and small.size == (40, 30)
    assert large.getpixel((600, 300))[0] > 200 > 50 > large.getpixel((600, 900))[0]
    assert shown.jpeg(2) is None and not shown.is_good(2)
    other = Shown(tmp_path / "other", ["large.jpg", "small.png"])
    assert len({*shown.keys, *other.keys}) == 5


def test_a_name_is_no_formula_in_a_spreadsheet(folder):
    names = names_of(folder)
    assert len(names) == 8 and "./=1+1<b onload=x>,.png" in names and not any(name[0] in "=+-@" for name in names)
    assert all(os.path.exists(folder / name) for name in names)
