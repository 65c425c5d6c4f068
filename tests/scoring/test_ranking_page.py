"""The page of a ranking: its order and numbers, hostile names, several files, interruptions, and a browser."""

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
import time
import urllib.parse
from pathlib import Path

import browser
import numpy as np
import pytest
from html_elements import Elements
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scored_run import scene

from lena_jax.scoring import ranking_page
from lena_jax.scoring.ranking_page import RankingPage
from lena_jax.scoring.result_files import printable
from lena_jax.scoring.results import PictureScore
from lena_jax.scoring.thumbnails import thumbnail

EVIL = "<script>alert(1)</script>\"'&$x${y}{{z}}"


def add(page, name, score, percentile=50.0, seed=0, size=(40, 30)):
    signed = np.random.default_rng(seed).normal(size=(3, 3)).astype(np.float32)
    page.add(PictureScore(name, score, percentile), signed, thumbnail(scene(seed, size)))
    return signed


def written(path, scores, bad=(), exact=True, seed=0):
    """Writes a page of pictures with these names and scores; returns the elements of each file."""
    with RankingPage(path, "models/mine", exact) as page:
        for number, (name, score) in enumerate(scores.items()):
            add(page, name, score, seed=seed + number)
        for name, why in bad:
            page.add(PictureScore(name, None, None, why), None, None)
        return [Elements(Path(one).read_text(encoding="utf-8")) for one in page.write()]


def test_pictures_are_ranked_with_their_numbers(tmp_path):
    scores = {"in/a.jpg": 0.5, "in/b.jpg": 2.0, "in/deep/c.jpg": -1.25, "in/d.jpg": 0.5}
    (page,) = written(tmp_path / "r.html", scores)
    assert page.all("title") == [f"in/{name}" for name in ("b.jpg", "a.jpg", "d.jpg", "deep/c.jpg")]
    text = " ".join(page.text.split())
    assert "4 ranked pictures" in text and "in in/, by the model models/mine" in text
    assert "1 b.jpg score +2.00 percentile 50 ahead of no. 2: 82 %" in text  # 1 / (1 + exp(-1.5)) = 0.8176
    assert "2 a.jpg score +0.50 percentile 50 ahead of no. 3: 50 %" in text
    assert "4 deep/c.jpg score -1.25 percentile 50" in text and "no. 5" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_the_pictures_and_maps_are_those_that_were_added(tmp_path):
    with RankingPage(tmp_path / "r.html", "m", True) as page:
        maps = {f"{n}.png": add(page, f"{n}.png", float(n), None, n, (30 + n, 20)) for n in range(3)}
        page.write()
    elements = Elements((tmp_path / "r.html").read_text())
    assert "percentile" not in elements.text.split("2.png")[1]
    shown = [each for name, each in elements.found if name == "img" and each.get("class") == "photo"]
    labels = [label for label in elements.all("aria-label") if label.startswith("Map")]
    for number, photo, label in zip((2, 1, 0), shown, labels, strict=True):
        jpeg = base64.b64decode(photo["src"].removeprefix("data:image/jpeg;base64,"))
        assert jpeg == thumbnail(scene(number, (30 + number, 20))).jpeg
        signed = maps[f"{number}.png"]
        sums = f"{signed[signed > 0].sum():+.2f} and {signed[signed < 0].sum():+.2f}"
        assert label == f"Map of {number}.png: its parts add {sums}"
    drawing = next(each["src"] for name, each in elements.found if each.get("class") == "map")
    drawing = urllib.parse.unquote(drawing.removeprefix("data:image/svg+xml,"))
    assert 'viewBox="0 0 32 20"' in drawing
    png = base64.b64decode(re.search('href="data:image/png;base64,([^"]*)"', drawing)[1])
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        assert opened.size == (32, 20)


def test_a_page_needs_nothing_else_and_forbids_it(tmp_path):
    (page,) = written(tmp_path / "r.html", {"a": 1.0, "b": 0.0})
    text = (tmp_path / "r.html").read_text()
    policy = next(each["content"] for _, each in page.found if each.get("http-equiv") == "Content-Security-Policy")
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:") and "unsafe" not in policy
    assert not {name for name, _ in page.found} & {"link", "iframe", "object", "base", "a"}
    for _, attributes in page.found:
        assert not any(key.startswith("on") or key in ("style", "srcset") for key in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    assert (tmp_path / "r.html").read_bytes() == text.encode()
    written(tmp_path / "again.html", {"a": 1.0, "b": 0.0})
    assert (tmp_path / "again.html").read_text() == text  # Nothing of the moment it was written.


def test_names_and_reasons_stay_text(tmp_path):
    names = [EVIL, "a\u202egpj.exe", "b\udcff.png", "c\n\0\x1b[31m", "ü\u0301é", "=1+1", "-->", "</title>"]
    with RankingPage(tmp_path / "r.html", f"m{EVIL}\udcff", True) as page:
        for number, name in enumerate(names):
            add(page, name, -float(number))
        page.add(PictureScore(f"x{EVIL}", None, None, f"y{EVIL}\u202e"), None, None)
        page.write()
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    elements = Elements(text)
    assert text.count("<script") == 1 and "\u202e" not in text and "\x1b" not in text
    assert elements.all("title")[0] == EVIL and f"x{EVIL}: y{EVIL}\\u202e" in elements.text
    assert "a\\u202egpj.exe" in elements.text and "b\\udcff.png" in elements.text and "m" + EVIL in elements.text
    assert not any(key.startswith("on") for _, attributes in elements.found for key in attributes)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    scored=st.lists(
        st.tuples(st.text(st.characters(codec=None), max_size=20), st.sampled_from([-1e9, -1.0, 0.0, 0.25, 1e9])),
        max_size=6,
    ),
    size=st.integers(1, 4),
)
def test_whatever_the_names_and_scores_are_the_order_is_that_of_the_scores(scored, size):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_page, "PAGE", size)
        with RankingPage(f"{folder}/r.html", "m", True) as page:
            for name, score in scored:
                add(page, name, score)
            pages = [Elements(Path(one).read_text(encoding="utf-8")) for one in page.write()]
        ranked = [printable(name) for name, _ in sorted(scored, key=lambda one: -one[1])]
        assert [name for one in pages for name in one.all("title")] == ranked
        assert len(pages) == max(1, -(-len(ranked) // size)) == len(os.listdir(folder))


@pytest.mark.parametrize("stem", ["r", "a b#?%", "c:d", "ü"])
def test_many_pictures_are_divided_between_linked_files(tmp_path, monkeypatch, stem):
    monkeypatch.setattr(ranking_page, "PAGE", 3)
    scores = {f"{n}.png": float(n) for n in range(7)}
    pages = written(tmp_path / f"{stem}.html", scores, bad=[("x", "gone")])
    names = [f"{stem}.html", f"{stem}-2.html", f"{stem}-3.html"]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    assert [page.all("title") for page in pages] == [
        ["6.png", "5.png", "4.png"],
        ["3.png", "2.png", "1.png"],
        ["0.png"],
    ]
    for number, page in enumerate(pages, 1):
        links = [each for name, each in page.found if name == "a"]
        found = [urllib.parse.unquote(each["href"]) for each in links]
        assert found == 2 * [f"./{name}" for name in names]
        assert all(urllib.parse.urlparse(each["href"]).scheme == "" for each in links)
        assert [place for place, each in enumerate(links[:3], 1) if "aria-current" in each] == [number]
        assert f"page {number} of 3" in page.text and ("x: gone" in page.text) == (number == 1)
    text = " ".join(pages[0].text.split())
    assert "Pictures 1 to 3 of 7" in text and "ahead of no. 4: 73 %" in text  # The one that begins the next file.
    # Fewer pictures later: the further files go.
    written(tmp_path / f"{stem}.html", {"a": 1.0})
    assert os.listdir(tmp_path) == [names[0]]


def test_a_file_of_somebody_else_is_not_replaced(tmp_path):
    (tmp_path / "r-2.html").write_text("mine")
    with pytest.raises(ValueError, match="r-2.html' is in the way of a further page"):
        RankingPage(tmp_path / "r.html", "m", True)
    assert (tmp_path / "r-2.html").read_text() == "mine"
    (tmp_path / "s-1.html").write_text("mine")
    (tmp_path / "s-02.html").write_text("mine")
    written(tmp_path / "s.html", {"a": 1.0})
    assert (tmp_path / "s-1.html").exists() and (tmp_path / "s-02.html").exists()


@pytest.mark.parametrize(
    "name, said", [("r.htm", "ends in .html"), ("d.html", "is a folder"), ("n/r.html", "no folder")]
)
def test_a_wrong_name_is_refused_at_once(tmp_path, name, said):
    (tmp_path / "d.html").mkdir()
    with pytest.raises(ValueError, match=said):
        RankingPage(tmp_path / name, "m", True)


def test_an_interruption_leaves_nothing_that_looks_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(ranking_page, "PAGE", 2)
    scores = {f"{n}": float(n) for n in range(5)}
    written(tmp_path / "r.html", scores)
    whole, done = ranking_page.write_whole, []

    def interrupted(path, write):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(path)
        whole(path, write)

    monkeypatch.setattr(ranking_page, "write_whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "r.html", scores)
    assert sorted(os.listdir(tmp_path)) == ["r-2.html", "r-3.html"]
    # While pictures are still scored, an earlier page stays, and nothing else is seen.
    monkeypatch.setattr(ranking_page, "write_whole", whole)
    written(tmp_path / "s.html", {"a": 1.0})
    before = (tmp_path / "s.html").read_bytes()
    with pytest.raises(KeyboardInterrupt), RankingPage(tmp_path / "s.html", "m", True) as page:
        add(page, "b", 2.0)
        raise KeyboardInterrupt
    assert sorted(os.listdir(tmp_path)) == ["r-2.html", "r-3.html", "s.html"]
    assert (tmp_path / "s.html").read_bytes() == before


def test_unreadable_pictures_are_listed_up_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(ranking_page, "MOST_UNREADABLE", 2)
    (page,) = written(tmp_path / "r.html", {}, [(f"{n}.jpg", f"reason {n}") for n in range(5)])
    assert "5 files could not be read" in page.text and "1.jpg: reason 1" in page.text and "2.jpg" not in page.text
    assert "And 3 more" in page.text and "No picture could be ranked" in page.text


def test_without_exact_maps_the_page_says_so(tmp_path):
    (page,) = written(tmp_path / "r.html", {"a": 1.0}, exact=False)
    assert "where the model sees\nvirality" in page.text and "adds to the score" not in page.text


@pytest.fixture(scope="module")
def tab():
    if browser.PATH is None:
        pytest.skip("no Chromium is installed")
    with browser.Browser() as opened:
        yield opened


def names(tab):
    shown = "[...document.querySelectorAll('#ranking > li')].filter(c => c.offsetParent).map(c => "
    return json.loads(tab.value(f"JSON.stringify({shown}c.querySelector('.name').title))"))


def only(tab, text):
    """Types into the filter."""
    tab.value(
        f"(f => {{ f.value = '{text}'; f.dispatchEvent(new Event('input')); }})(document.getElementById('filter'))"
    )


def arrive(tab, ending):
    """Waits until another file is shown, and the browser no longer refuses to answer in between."""
    for _ in range(200):
        with contextlib.suppress(RuntimeError):
            if tab.value(f"location.pathname.endsWith('{ending}') && document.readyState === 'complete'"):
                return
        time.sleep(0.05)
    raise TimeoutError(ending)


def press(tab, key, code):
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text="")


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_a_browser_shows_filters_and_turns_it(tab, tmp_path, width, dark):
    scores = {f"{'Ümit' if n % 2 else 'b'}_{n}.png": -float(n) for n in range(120)}
    # Other pictures each time: the browser remembers those that it has seen.
    written(tmp_path / "r.html", scores, seed=width)
    tab.open(tmp_path / "r.html", width, dark=dark)
    assert names(tab) == list(scores) and tab.value("document.documentElement.scrollWidth") <= width
    visible = "getComputedStyle(document.querySelector('.map')).visibility"
    assert tab.value(visible) == "hidden"
    # By keyboard alone: the filter, the order, all maps, the first picture.
    for key in ("Tab", "Tab", "Tab", "Tab", "Tab"):
        press(tab, key, 9)
    assert tab.value("document.activeElement.tagName") == "BUTTON"
    press(tab, " ", 32)
    assert tab.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert tab.value(visible) == "visible"
    # The map fills the same part of the card as its picture, and both are there.
    tab.wait("[...document.querySelectorAll('button')[0].children].every(i => i.complete && i.naturalWidth > 0)")
    ratio = "[...document.querySelectorAll('button')[0].children].map(i => i.naturalWidth / i.naturalHeight)"
    first, second = json.loads(tab.value(f"JSON.stringify({ratio})"))
    assert first == pytest.approx(second)
    # Cards far below are not loaded.
    assert not tab.value("[...document.querySelectorAll('.photo')].at(-1).complete")
    tab.value("document.getElementById('worst').click()")
    tab.wait("location.hash === '#worst'")
    assert names(tab) == list(scores)[::-1]
    only(tab, "u\u0308MIT_1")
    assert names(tab) == [name for name in list(scores)[::-1] if name.startswith("Ümit_1")]
    assert tab.value("document.getElementById('found').textContent") == "16 of 120 shown"
    only(tab, "")
    tab.value("document.getElementById('best').click()")
    tab.wait("location.hash === '#best'")
    assert names(tab) == list(scores)
    ground = re.findall(r"\d+", tab.value("getComputedStyle(document.body).backgroundColor"))
    assert (max(map(int, ground)) < 60) if dark else (min(map(int, ground)) > 200)
    assert tab.errors() == [] and len(set(url.partition("#")[0] for url in tab.requests())) == 1
    # A script that a name smuggled in could do nothing.
    tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.bad = 1\">')")
    tab.value("new Promise(done => setTimeout(done, 100))")
    assert tab.value("window.bad === undefined") and tab.errors()


def test_the_worst_of_several_files_begin_on_the_last(tab, tmp_path, monkeypatch):
    monkeypatch.setattr(ranking_page, "PAGE", 3)
    written(tmp_path / "r#1.html", {f"{n}.png": float(n) for n in range(5)})
    tab.open(tmp_path / "r#1.html", 800)
    assert names(tab) == ["4.png", "3.png", "2.png"]
    tab.value("document.getElementById('worst').click()")
    arrive(tab, "-2.html")
    assert names(tab) == ["0.png", "1.png"]
    tab.value("document.querySelector('.pages a').click()")
    arrive(tab, "1.html")
    assert names(tab) == ["2.png", "3.png", "4.png"]
    tab.value("document.getElementById('best').click()")
    tab.wait("location.hash === '#best'")
    assert names(tab) == ["4.png", "3.png", "2.png"]
