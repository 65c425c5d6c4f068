"""The served page in a browser: what a visitor sees, what leaves the machine (nothing) and what stays (nothing)."""

import importlib.util
import json
import re
import shutil
import signal
import struct
import urllib.error
import urllib.request
import zlib

import browser
import numpy as np
import pytest
from serving import Server

from lena_jax.localization import upsample
from lena_jax.scoring import Scorer

EVIL = "<img src=x onerror=window.bad=1>${window.bad=2}{{window.bad=3}}.png"
NAMES = ["test_photo.jpg", "test_webp.webp", "test_turned.jpg", "test_palette.png"]
INPUT = "#{} input[type=file]"

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="gradio is not installed"),
    pytest.mark.skipif(browser.PATH is None, reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def server(run, tmp_path_factory):
    served = Server(
        run,
        tmp_path_factory.mktemp("served"),
        "--max_pictures=8",
        "--max_megabytes=1",
        "--max_video_megabytes=2",
        "--max_total_megabytes=3",
    )
    yield served
    served.process.kill()
    served.process.communicate()


@pytest.fixture(scope="module")
def tab(server):
    with browser.Browser() as one:
        one.open(server.address, 1200)
        one.wait(f"document.querySelector('{INPUT.format('rank-drop')}')")
        yield one


@pytest.fixture(scope="module")
def files(photos, tmp_path_factory):
    """Pictures, one of them with a name that is markup, and a damaged one."""
    folder = tmp_path_factory.mktemp("dropped")
    for name in NAMES:
        shutil.copy(photos / name, folder)
    shutil.copy(photos / "test_bmp.bmp", folder / EVIL)
    (folder / "broken.jpg").write_bytes((photos / "test_photo.jpg").read_bytes()[:900])
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header))
    (folder / "bomb.png").write_bytes(bomb + (photos / "test_small.png").read_bytes()[33:])
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def ranked(tab, files):
    """The page with a ranking on it."""
    tab.choose_files(INPUT.format("rank-drop"), files)
    tab.wait("document.querySelectorAll('.lena-card').length == 5")
    return tab


def texts(tab, selector):
    return tab.value(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")


def go_to(tab, title):
    """Clicks a tab."""
    tabs = "[...document.querySelectorAll('button[role=tab]')]"
    tab.value(f"{tabs}.find(e => e.textContent.includes('{title}')).click()")


def pixels(tab, selector):
    """Pixels [n, 32, 32, 3] of the pictures that a selector finds."""
    found = tab.value(f"""Promise.all([...document.querySelectorAll({json.dumps(selector)})].map(async image => {{
        image.loading = 'eager'; await image.decode();
        const canvas = document.createElement('canvas'); canvas.width = canvas.height = 32;
        const context = canvas.getContext('2d'); context.drawImage(image, 0, 0, 32, 32);
        return [...context.getImageData(0, 0, 32, 32).data] }}))""")
    return np.array(found, float).reshape(-1, 32, 32, 4)[..., :3]


def test_the_ranking_is_the_scorers(ranked, run, files):
    scorer = Scorer.from_checkpoint(run)
    known = {one.name.rsplit("/", 1)[1]: one for one in scorer.score(files) if one.error is None}
    expected = sorted(known, key=lambda name: -known[name].score)
    assert len(expected) == 5 and texts(ranked, ".lena-card .lena-name") == expected
    scores = [float(text) for text in texts(ranked, "#ranking td:nth-child(3)")]
    np.testing.assert_allclose(scores, [known[name].score for name in expected], atol=2e-4)
    percentiles = [float(text) for text in texts(ranked, "#ranking td:nth-child(4)")]
    np.testing.assert_allclose(percentiles, [known[name].percentile for name in expected], atol=0.06)
    ahead = [int(text.split()[0]) for text in texts(ranked, "#ranking td:nth-child(5)")[:-1]]
    np.testing.assert_allclose(ahead, 100 / (1 + np.exp(np.diff(scores))), atol=0.6)
    assert len(set(ahead)) > 1


def test_maps_are_shown_in_colour_with_what_the_colours_mean(ranked, run, files):
    assert ranked.value("[...document.querySelectorAll('.lena-card img')].length") == 10
    maps = pixels(ranked, ".lena-map")
    assert (np.ptp(maps, -1).reshape(5, -1).max(1) > 15).all()  # Not grey.
    # Red less blue follows the scorer's maps, all on one scale.
    scorer, by_name = Scorer.from_checkpoint(run), {path.name: path for path in files}
    known = [scorer.explain(by_name[name]).map for name in texts(ranked, ".lena-card .lena-name")]
    redness = (maps[..., 0] - maps[..., 2]).ravel()
    assert np.corrcoef(redness, np.ravel(upsample(np.stack(known), 32, 32)))[0, 1] > 0.95
    legend = texts(ranked, "#ranking .lena-ends")[0]
    assert re.search(r"-[\d.e-]+: blue lowers the score0red raises the score: \+[\d.e-]+", legend)


def test_what_cannot_be_read_is_listed_with_its_reason(ranked):
    said = texts(ranked, "#ranking .lena-notice")[0]
    assert "2 files could not be read" in said and "broken.jpg: does not decode" in said
    assert "bomb.png: too many pixels to decode safely" in said
    assert "/" not in said  # No path.


def test_names_are_text_and_never_markup(ranked):
    assert EVIL in texts(ranked, ".lena-card .lena-name")
    assert ranked.value("window.bad === undefined && document.querySelectorAll('img[src=x]').length == 0")
    # Were there markup after all, it would run nothing.
    evil = "<img src=x onerror=window.bad=4>"
    ranked.value(f"document.querySelector('#ranking').insertAdjacentHTML('beforeend', '{evil}')")
    ranked.value("new Promise(done => setTimeout(done, 200))")
    assert ranked.value("window.bad === undefined")


def test_two_of_the_ranking_are_compared(ranked, run, files):
    go_to(ranked, "Compare")
    ranked.wait("document.querySelector('#compare')?.offsetParent")
    ranked.value("document.querySelector('#compare').click()")
    ranked.wait("document.querySelectorAll('#comparison .lena-side').length == 2")
    order = texts(ranked, ".lena-card .lena-name")
    assert texts(ranked, "#comparison figcaption .lena-name") == order[:2]
    by_name = {path.name: path for path in files}
    pair = Scorer.from_checkpoint(run).compare(by_name[order[0]], by_name[order[1]])
    shown = int(texts(ranked, "#comparison .lena-verdict > b")[0].split()[0])
    assert abs(shown - 100 * pair.probability) < 0.6
    adds = [float(re.search(r"adds ([+-][\d.]+)", text)[1]) for text in texts(ranked, "#comparison figcaption")]
    np.testing.assert_allclose(adds, [pair.maps[0].sum(), pair.maps[1].sum()], atol=0.006)
    assert (np.ptp(pixels(ranked, "#comparison .lena-map"), -1).reshape(2, -1).max(1) > 15).all()
    assert "blue favours the right one" in texts(ranked, "#comparison .lena-ends")[1]


def test_two_dropped_pictures_are_compared_and_other_numbers_refused(ranked, files):
    by_name = {path.name: path for path in files}
    ranked.choose_files(INPUT.format("compare-drop"), [by_name["test_webp.webp"], by_name["test_photo.jpg"]])
    ranked.wait("[...document.querySelectorAll('#comparison figcaption')].some(e => e.textContent.includes('webp'))")
    assert texts(ranked, "#comparison figcaption .lena-name") == ["test_webp.webp", "test_photo.jpg"]
    ranked.wait(f"document.querySelector('{INPUT.format('compare-drop')}')")
    ranked.choose_files(INPUT.format("compare-drop"), files[:3])
    ranked.wait("document.body.innerText.includes('at most 2 are allowed')")


def test_the_model_is_described(ranked, run):
    go_to(ranked, "About")
    ranked.wait("document.querySelector('#about')?.offsetParent")
    said = texts(ranked, "#about")[0]
    metrics = json.loads((run / "metrics.json").read_text())
    assert "What it is not" in said and f"{metrics['pair_accuracy']['value']:.3f}" in said
    assert str(run) not in ranked.value("document.documentElement.outerHTML")


def test_it_fits_a_narrow_window(ranked):
    go_to(ranked, "Rank")
    ranked.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=False)
    ranked.value("new Promise(done => setTimeout(done, 300))")
    widths = ranked.value("[...document.querySelectorAll('.lena-card')].map(e => e.getBoundingClientRect().right)")
    assert ranked.value("document.documentElement.scrollWidth") <= 391 and 0 < max(widths) <= 390
    ranked.call("Emulation.setDeviceMetricsOverride", width=1200, height=844, deviceScaleFactor=1, mobile=False)


def test_a_video_is_shown_by_its_moments(ranked, run, tmp_path):
    pytest.importorskip("av")
    import clips

    from lena_jax.data.video import read_clip
    from lena_jax.scoring.clips import ClipScorer

    clips.write(tmp_path / "a.mp4", [clips.plain(one) for one in clips.colours(30)])
    go_to(ranked, "Video")
    ranked.wait(f"document.querySelector('{INPUT.format('video-drop')}')")
    ranked.choose_files(INPUT.format("video-drop"), [tmp_path / "a.mp4"])
    ranked.wait("document.querySelectorAll('#clip .lena-moments figure').length")
    clip = read_clip(tmp_path / "a.mp4", 240, 2.0)
    found = ClipScorer(Scorer.from_checkpoint(run)).score(clip.frames)
    assert f"Score of the clip {found.score:+.2f}; mean of its {len(clip.frames)} frames" in texts(ranked, "#clip")[0]
    assert f"score {found.frame_scores.max():+.2f}" in texts(ranked, "#clip figcaption")[0]
    shown = pixels(ranked, "#clip .lena-thumbnail img")[0].mean((0, 1))
    np.testing.assert_allclose(shown, clip.frames[found.frame_scores.argmax()].mean((0, 1)), atol=4)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:500])
    ranked.wait(f"document.querySelector('{INPUT.format('video-drop')}')")
    ranked.choose_files(INPUT.format("video-drop"), [tmp_path / "b.mp4"])
    ranked.wait("document.querySelector('#clip').textContent.includes('b.mp4: ')")


def test_too_much_is_refused(ranked, server, tmp_path):
    go_to(ranked, "Rank")
    (tmp_path / "large.png").write_bytes(bytes(1_500_000))
    ranked.choose_files(INPUT.format("rank-drop"), [tmp_path / "large.png"])
    ranked.wait("document.body.innerText.includes('file too large: got 1.5 MB, expected at most 1')")
    (tmp_path / "larger.png").write_bytes(bytes(2_500_000))
    ranked.wait(f"document.querySelector('{INPUT.format('rank-drop')}')")
    ranked.choose_files(INPUT.format("rank-drop"), [tmp_path / "larger.png"])
    ranked.wait("/exceeds|maximum/i.test(document.body.innerText)")
    answers = [_answer(server, "/gradio_api/upload", data=bytes(size)) for size in (3_000_001,)]
    assert answers[0][0] == 413 and b"Too large" in answers[0][1] and server.files() == []


def test_nothing_stays_and_nothing_leaves(ranked, server):
    """Runs after the other tests of the open page: checks all its requests so far."""
    hosts = {url.split("/")[2] for url in ranked.requests() if not url.startswith("blob:")}
    assert hosts == {server.address.split("/")[2]}
    assert server.files() == []


def _answer(server, path, data=None, **headers):
    request = urllib.request.Request(server.address.rstrip("/") + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/info",
        "/docs",
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/assets/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/config.py",
        "/gradio_api/proxy=http://example.com/",
        "/gradio_api/runs",
        "/monitoring",
        "/gradio_api/deep_link",
        "/gradio_api/call/rank",
        "/gradio_api/vibe-code/",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
    ],
)
def test_no_other_address_answers(server, path):
    code, body = _answer(server, path)
    assert code == 404 and body == b"Not found."


def test_files_of_the_machine_cannot_be_asked_about(server, run):
    question = {
        "data": [[{"path": str(run / "metrics.json"), "meta": {"_type": "gradio.FileData"}}]],
        "fn_index": 0,
        "session_hash": "abc",
        "event_data": None,
    }
    code, body = _answer(
        server, "/gradio_api/queue/join", json.dumps(question).encode(), **{"Content-Type": "application/json"}
    )
    assert code == 400 and body == b"Requests may only name uploaded files."


@pytest.mark.parametrize("data", [[3], ["/etc/passwd"], [[{}]], [None], [], [{"a": [[1]]}]])
def test_errors_say_nothing_of_the_inside(server, data):
    question = {"data": data, "fn_index": 0, "session_hash": "abc", "event_data": None}
    code, body = _answer(
        server, "/gradio_api/queue/join", json.dumps(question).encode(), **{"Content-Type": "application/json"}
    )
    said = body.decode()
    if code == 200:
        said += _answer(server, "/gradio_api/queue/data?session_hash=abc")[1].decode()
        assert '"success":false' in said
    assert "Traceback" not in said and "site-packages" not in said and ".py" not in said and "/tmp" not in said, said


def test_at_the_end_all_is_gone(server):
    """Stops the server by a signal that would leave all files if it were not handled."""
    boundary = b'--x\r\nContent-Disposition: form-data; name="files"; filename="../../a.png"\r\n\r\nabc\r\n--x--\r\n'
    code, body = _answer(server, "/gradio_api/upload", boundary, **{"Content-Type": "multipart/form-data; boundary=x"})
    assert code == 200 and json.loads(body)[0].startswith(str(server.folder)) and ".." not in body.decode()
    assert len(server.files()) == 1
    code, said, errors = server.end(signal.SIGTERM)
    assert code == 143 and "terminated: the uploaded files are deleted" in errors
    assert list(server.folder.iterdir()) == []
    # Gradio logs what is wrong with malformed questions; what the page's own work does not foresee is logged so.
    assert "OUTSIDE" not in errors and "a request failed" not in errors, errors
