"""The markup of results, without a browser: file names stay plain text, and nothing is fetched."""

import html_elements
import numpy as np
import pytest

from lena_jax.cli.serve import results
from lena_jax.cli.serve.judging import Judged, jpeg

EVIL = "<img src=x onerror=alert(1)>\"'&amp;.png"


def judged(name, score, percentile=50.0, exact=True):
    rng = np.random.default_rng(0)
    small = jpeg(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8), 512)
    return Judged(name, score, percentile, rng.normal(size=(4, 5)).astype(np.float32), exact, small)


def check(elements):
    """Checks what must hold for all results."""
    assert not any(key.startswith("on") for _, attributes in elements.found for key in attributes)
    assert all(source.startswith("data:image/jpeg;base64,") for source in elements.all("src"))
    assert {"script", "link", "a"}.isdisjoint(name for name, _ in elements.found)


def test_names_of_a_ranking_are_text():
    shown = html_elements.Elements(
        results.ranking([judged(EVIL, 1.5), judged("b.jpg", 0.5)], [(EVIL, "does not <decode>")])
    )
    check(shown)
    assert len(shown.all("src")) == 4 and shown.text.count(EVIL) == 3 and "does not <decode>" in shown.text
    assert shown.all("title").count(EVIL) == 1
    said = shown.all("alt")
    assert said[0] == f"Picture {EVIL}" and said[1].startswith(f"Map of {EVIL}: its cells add +")
    assert "2 pictures ranked" in shown.text and "1 file could not be read" in shown.text
    assert shown.text.count("73 % likely to be ahead of the next") == 1 and "+1.5000" in shown.text


def test_names_of_a_comparison_are_text():
    shown = html_elements.Elements(results.comparison(judged(EVIL, 1.5), judged("b.jpg", 0.5)))
    check(shown)
    assert f"73 % that {EVIL} is ahead of b.jpg, by 1.00." in " ".join(shown.text.split())
    assert [one for one in shown.all("alt") if EVIL in one] == [
        f"Picture {EVIL}",
        f"What in {EVIL} favours the left and the right picture",
    ]
    assert "--share: 73.1%" in shown.all("style")


@pytest.mark.parametrize("percentile, columns", [(None, 4), (99.96, 5)])
def test_percentiles_are_shown_where_they_are_known(percentile, columns):
    shown = html_elements.Elements(results.ranking([judged("a.jpg", 1.0, percentile, exact=False)], []))
    assert len(shown.all("scope")) == columns and ("percentile" in shown.text) == (columns == 5)
    assert shown.all("style")[1:] == (["width: 100.0%"] if columns == 5 else [])
    assert "virality map" in shown.text and "ahead of the next" in shown.text


def test_a_notice_is_text():
    assert "&lt;b&gt;" in results.notice("<b>")
    assert results.ranking([], []).split() == [
        "<div",
        'class="lena">',
        "</div>",
    ]
