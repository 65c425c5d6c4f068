"""The report of a small run: its contents, no external resources, and text that stays text."""

import dataclasses
import json
import re
import shutil

import browser
import html_elements
import numpy as np
import pytest
from config_files import small_quickstart
from PIL import Image

from lena_jax.data.splits import open_pictures
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.localization import upsample
from lena_jax.report import confident_pairs, reading, sections
from lena_jax.report.page import write_report
from lena_jax.runs.load import load_ranker
from lena_jax.train.loop import train

pytestmark = pytest.mark.usefixtures("tiny_trunks")

EVIL = "<img src=x onerror=alert(1)>\"'&amp;"


def tiny(config):
    """Let a config compile in a second, with a key of the backbone that is not the default."""
    config.backbone.name, config.backbone.endpoint, config.backbone.pretrained = "tiny", "second", False
    return config


@pytest.fixture(scope="module")
def evaluated(planted_dir, tiny_trunks, tmp_path_factory):
    """A trained run, evaluated, with its report; and the measures."""
    workdir = tmp_path_factory.mktemp("evaluated") / "run"
    train(tiny(small_quickstart(planted_dir)), str(workdir))
    metrics = evaluate(str(workdir))
    write_report(str(workdir))
    return workdir, metrics


@pytest.fixture(scope="module", autouse=True)
def _predictions_are_made_once():
    """Compiles once: all runs here are copies of one, and compiling for every page would take minutes."""
    predict, known = reading.predict, {}

    def remembered(model, variables, pictures, *rest):
        key = (pictures.digest, *pictures.rows)
        if key not in known:
            known[key] = predict(model, variables, pictures, *rest)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "predict", remembered)
        patch.setattr(confident_pairs, "predict", remembered)
        yield


@pytest.fixture
def copy(evaluated, tmp_path):
    """A copy of the evaluated run that a test can change."""
    shutil.copytree(evaluated[0], tmp_path / "run")
    return tmp_path / "run"


def written(workdir, **options):
    write_report(str(workdir), **options)
    return (workdir / "report.html").read_text(encoding="utf-8")


class _Page(html_elements.Elements):
    """All elements of a page, and the text without the line breaks between elements."""

    def handle_data(self, data):
        super().handle_data(data.strip("\n"))


def test_the_page_says_what_the_files_say(evaluated):
    workdir, metrics = evaluated
    text = _Page((workdir / "report.html").read_text(encoding="utf-8")).text
    for name in ("pair_accuracy", "spearman", "kendall"):
        value = metrics[name]
        assert f"{value['value']:.3f}95 % interval {value['low']:.3f} to {value['high']:.3f}" in text
    assert f"24 pictures and {metrics['pairs']:,} pairs, ranked by the checkpoint of step {metrics['step']}." in text
    assert f"{metrics['localization']['contribution_map']['energy_inside']:.1%}" in text
    assert f"the median is now {metrics['eta']['share']['50']:.3f}" in text
    assert f"{metrics['eta']['support_size']['95']:.1f} cells" in text
    assert "planted · tiny · LENA pooling" in text and "at second" in text
    assert "2 (cpu)" in text and "192 pictures" in text and "pictures per second" in text
    timing = json.loads((workdir / "timing.json").read_text())
    assert all(f"{name} {version}" in text for name, version in timing["versions"].items())
    assert "12 of 12" in text and "Please note" not in text
    assert "image_size64224" in text  # A key that is not the default, and its default.

    def keys(config):
        return sum(keys(value) if isinstance(value, dict) and value else 1 for value in config.values())

    assert f"All {keys(json.loads((workdir / 'config.json').read_text()))} keys" in text
    assert text.count("data.fold_seed") == 1 and text.count("backbone.endpoint") == 2
    assert not list(workdir.rglob("*unfinished*"))


def test_the_page_needs_nothing_else_and_forbids_it(evaluated):
    path = evaluated[0] / "report.html"
    elements = _Page(path.read_text(encoding="utf-8")).found
    policy = next(each["content"] for _, each in elements if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-") and "unsafe" not in policy
    assert not {name for name, _ in elements} & {"script", "link", "iframe", "object", "a", "base", "form"}
    for name, attributes in elements:
        assert not any(key.startswith("on") or key in ("style", "srcset") for key in attributes)
        assert attributes.get("href", "#").startswith("#")  # To a marker in the same figure.
        if "src" in attributes:
            assert name == "img" and attributes["src"].startswith("data:image/jpeg;base64,") and attributes["alt"]
    assert path.stat().st_size < 3e6
    assert written(evaluated[0]).encode() == path.read_bytes()  # Nothing of the day it was written on.


def test_the_pairs_are_the_most_confident_ones(evaluated):
    workdir, _ = evaluated
    _, _, config, _, _ = load_ranker(str(workdir))
    pictures = open_pictures(config)["test"]
    true = dict(zip(pictures.ids, pictures.scores, strict=True))
    rows = [line.split(",") for line in (workdir / "scores.csv").read_text().splitlines()[1:]]
    predicted = {row[0]: float(row[3]) for row in rows}
    text = (workdir / "report.html").read_text(encoding="utf-8")
    cards = re.findall(r'<b class="(right|wrong)">.*?by ([0-9.]+)</p>(.*?)</div>', text, re.DOTALL)
    margins = {"right": [], "wrong": []}
    for verdict, by, card in cards:
        high, low = re.findall(r"<bdi[^>]*>(.*?)</bdi>", card)
        assert true[high] > true[low]
        margin = predicted[high] - predicted[low]
        assert float(by) == pytest.approx(abs(margin), abs=0.006) and (margin > 0) == (verdict == "right")
        assert all(
            f"predicted {predicted[name]:+.2f}" in card and f"true {true[name]:.3g}" in card for name in (high, low)
        )
        assert card.count("<img") == 4
        margins[verdict].append(margin)
    every = [predicted[high] - predicted[low] for high in true for low in true if true[high] > true[low]]
    assert margins["right"][0] == max(every) and margins["wrong"][0] == min(every)
    assert 1 <= len(margins["wrong"]) <= len(margins["right"]) == confident_pairs.PAIRS


def test_of_pairs_that_share_a_picture_the_surest_is_taken():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=12).round(1)
    pairs = np.array([(a, b) for a in range(12) for b in range(12) if a != b])[rng.permutation(132)[:60]]
    for sign, chosen in zip((1, -1), confident_pairs.most_confident(scores, pairs, 3), strict=True):
        margin = {tuple(pair): sign * (scores[pair[0]] - scores[pair[1]]) for pair in pairs.tolist()}
        chosen = [tuple(pair) for pair in chosen.tolist()]
        assert len(set(sum(chosen, ()))) == 2 * len(chosen) and all(margin[pair] > 0 for pair in chosen)
        for pair, value in margin.items():
            # Whatever is surer than the last one shown is shown, or shares a picture with a surer one that is.
            if value > margin[chosen[-1]]:
                assert any(set(pair) & set(other) and margin[other] >= value for other in chosen)
    right, wrong = confident_pairs.most_confident(np.zeros(3), np.array([[0, 1], [1, 2]]))
    assert right.shape == wrong.shape == (0, 2)


def test_text_stays_text(copy, monkeypatch):
    """Ids, warnings and config values that look like markup."""
    loaded = load_ranker(str(copy))
    parts = open_pictures(loaded.config)
    known = parts["test"].ids
    ids = np.array([f"{EVIL}{number}" for number in range(len(known))])
    for name in ("scores.csv", "pairs.csv"):
        text = (copy / name).read_text()
        for old, new in zip(known, ids, strict=True):
            text = text.replace(old, '"' + new.replace('"', '""') + '"')
        (copy / name).write_text(text)
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["localization"] = {EVIL: metrics["localization"]["contribution_map"]}
    (copy / "metrics.json").write_text(json.dumps(metrics))
    timing = json.loads((copy / "timing.json").read_text())
    (copy / "timing.json").write_text(json.dumps(timing | {"device_kind": EVIL, "versions": {EVIL: EVIL}}))
    loaded.config.data.name = "</style><script>alert(2)</script>"
    loaded.config.optimizer.name = EVIL
    renamed = parts | {"test": dataclasses.replace(parts["test"], ids=ids)}
    monkeypatch.setattr(reading, "load_ranker", lambda workdir: loaded)
    monkeypatch.setattr(reading, "open_trained_pictures", lambda *run: renamed)
    monkeypatch.setattr(sections.health, "collapsed_supports", lambda eta: f"{EVIL} warned")
    text = written(copy)
    parsed = _Page(text)
    escaped = EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = escaped.replace('"', "&#34;").replace("'", "&#39;")
    assert text.count(escaped) >= 24
    assert "<script" not in text and "<img src=x" not in text
    assert f"{EVIL} warned" in parsed.text and "</style><script>alert(2)</script>" in parsed.text
    assert f"{EVIL}, cosine schedule." in parsed.text and f"2 ({EVIL})" in parsed.text
    assert not any(key.startswith("on") for _, attributes in parsed.found for key in attributes)
    said = [each["alt"] for name, each in parsed.found if name == "img"]
    assert sum(f"Picture {EVIL}" in one for one in said) >= 4 and sum(f"Map of {EVIL}" in one for one in said) >= 4


def test_before_evaluation_the_validation_pictures_are_shown(copy):
    (copy / "metrics.json").unlink()
    text = written(copy)
    assert "Validation pictures" in text and "16 pictures and 120 pairs" in text and "validation/" in text
    metrics = evaluate(str(copy), "validation")
    assert f"{metrics['spearman']['low']:.3f} to {metrics['spearman']['high']:.3f}" in text
    # From the files of that evaluation now, which measures the maps too.
    (copy / "validation_metrics.json").write_text(json.dumps({**metrics, "localization": {}}))
    assert written(copy) == text


def test_measures_of_an_earlier_checkpoint_are_not_shown(copy):
    metrics = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps(metrics | {"step": 3}))
    assert "Validation pictures" in written(copy)


def test_checkpoints_alone_are_enough(copy):
    for path in copy.iterdir():
        if path.name != "checkpoints":
            path.unlink() if path.is_file() else shutil.rmtree(path)
    text = written(copy)
    assert "Validation pictures" in text and "Most confident pairs" in text and "Training loss" not in text


def test_without_checkpoint_or_data_the_rest_is_shown(copy, tmp_path):
    text = written(copy, data_dir=str(tmp_path / "gone"))
    assert "Not everything can be shown: no dataset" in text and "Most confident" not in text
    assert "Test pictures" in text and "What LENA learned" in text
    shutil.rmtree(copy / "checkpoints")
    text = written(copy)
    assert "Not everything can be shown: no checkpoint" in text
    assert "Test pictures" in text and "Training loss" in text and "What LENA learned" in text
    (copy / "metrics.json").unlink()
    text = written(copy)
    assert "Not evaluated yet. The validation pair accuracy of step 12 was" in text and "What LENA" not in text
    (copy / "config.json").unlink()
    with pytest.raises(ValueError, match="no checkpoint in"):
        write_report(str(copy))


def test_several_processes_leave_the_model_alone(copy, monkeypatch):
    monkeypatch.setattr(reading.distributed, "count", lambda: 2)
    text = written(copy)
    assert "Several processes trained this" in text and "Training loss" in text and "Most confident" not in text


@pytest.mark.parametrize("pooling, name, maps", [("gem", "GeM", False), ("max", "max", True)])
def test_other_poolings_without_validation(evaluated, small_config, tmp_path, monkeypatch, pooling, name, maps):
    from lena_jax.models import ranker

    config = tiny(small_config)
    config.pooling = pooling
    model, rng = ranker.build(config), np.random.default_rng(0)
    monkeypatch.setattr(reading, "load_ranker", lambda workdir: (model, {}, config, "data", 12))

    def predict(model, variables, pictures, *rest):
        return rng.normal(size=len(pictures)), *rng.normal(size=(2, len(pictures), 4, 4))

    for module in (reading, confident_pairs):
        monkeypatch.setattr(module, "predict", predict)
    parts = open_pictures(config)
    few = parts["validation"].subset(range(6))
    monkeypatch.setattr(reading, "open_trained_pictures", lambda *run: {"validation": few})
    shutil.copytree(evaluated[0], tmp_path / "run")
    (tmp_path / "run/metrics.json").unlink()
    text = written(tmp_path / "run")
    assert f"{name} pooling" in text and "What LENA" not in text
    assert (f"{name} pooling is not a weighted mean" in text) == (not maps)
    assert ("Map of" in text and "Scale of the maps" in text) == maps and "Picture validation/" in text
    monkeypatch.setattr(reading, "open_trained_pictures", lambda *run: {"validation": None})
    text = written(tmp_path / "run")
    assert "Not evaluated yet." in text and "Most confident" not in text


def test_warnings_of_the_history(copy, monkeypatch):
    history = [{"step": 10 * number, "loss": 0.6931, "pair_accuracy": 0.5} for number in range(1, 8)]
    monkeypatch.setattr(reading, "_history", lambda workdir: history)
    text = written(copy)
    assert "step 70: the training loss has stayed within" in text and " (3 evaluations gave this warning)" in text


def test_the_drawn_map_is_the_upsampled_map():
    rng = np.random.default_rng(0)
    values, picture = rng.normal(size=(5, 4)).astype(np.float32), Image.new("RGB", (64, 80), (90, 90, 90))
    drawn = np.asarray(confident_pairs._overlay(picture, values, 3.0, None), float)
    large = np.asarray(upsample(values[None], 80, 64))[0]
    # Red less blue falls where the map does, and is nothing where the map is nothing.
    redness = drawn[..., 0] - drawn[..., 2]
    assert np.corrcoef(redness.ravel(), large.ravel())[0, 1] > 0.95
    assert np.abs(redness[np.abs(large) < 0.01]).max() < 8
    mask = np.zeros((80, 64), bool)
    mask[20:40, 10:30] = True
    outlined = np.asarray(confident_pairs._overlay(picture, values, 3.0, mask))
    assert (outlined[20, 10:30] == 0).all() and (outlined[21:39, 11:29] == drawn[21:39, 11:29]).all()


@pytest.mark.skipif(browser.PATH is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_a_browser_shows_the_page(evaluated, width, dark):
    with browser.Browser() as tab:
        tab.open(evaluated[0] / "report.html", width, dark=dark)
        assert tab.errors() == []
        assert tab.requests() == [(evaluated[0] / "report.html").resolve().as_uri()]
        assert tab.value("[...document.images].length") >= 20
        assert tab.value("[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.alt)")
        assert "Pair accuracy" in tab.value("document.body.innerText")
        assert tab.value("document.documentElement.scrollWidth") <= width
        assert tab.value("[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().height > 5)")
        ground = [
            int(part) for part in re.findall(r"\d+", tab.value("getComputedStyle(document.body).backgroundColor"))
        ]
        assert (max(ground) < 60) if dark else (min(ground) > 200)
        # What a script in the page would do is forbidden: it stays undone, and is said.
        tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.bad = 1\">')")
        tab.value("new Promise(done => setTimeout(done, 200))")
        assert tab.value("window.bad === undefined") and tab.errors()
