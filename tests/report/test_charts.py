"""The charts of the report, checked as the elements that the page contains."""

import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from lena_jax.report import charts, svg

EVIL = "<script>alert(1)</script>\"'&amp; $x_1^{2}$ \\frac"


def parse(drawing):
    """Lists the elements of a drawing in order."""
    return list(ElementTree.fromstring(drawing).iter())


def paths(drawing, colour):
    """The points of each path in a colour of the page, [n, 2]."""
    found = [
        element.get("d")
        for element in parse(drawing)
        if element.tag == "path" and f"var(--{colour})" in (element.get("stroke"), element.get("fill"))
    ]
    return [np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2) for path in found]


def test_without_a_value_there_is_no_chart():
    assert charts.lines("t", "", {"a": ([], [])}, "step") is None
    assert charts.lines("t", "", {"a": ([1], [np.nan])}, "step") is None


def test_what_is_not_finite_is_left_out():
    flat = charts.lines("t", "", {"a": ([1], [0.0]), "b": ([1, 2], [np.nan, np.inf])}, "step")
    assert "nan" not in flat.svg and "inf" not in flat.svg
    assert len(paths(flat.svg, "one")) == 1 and paths(flat.svg, "two") == [] and flat.keys == [("one", "a")]
    assert "nan" not in charts.interval(0.5, None, None, 0.0, 1.0)


def test_a_line_goes_through_its_values():
    x, y = np.array([0, 10, 40]), np.array([0.25, 1.0, 0.5])
    chart = charts.lines("Loss", "", {"a": (x, y), "b": (x, 1 - y)}, "step", marks=[("m", 0.5)], low=0, high=1)
    (points,), (others,), (mark,) = (paths(chart.svg, colour) for colour in ("one", "two", "quiet"))
    (left, right), (bottom, top) = points[[0, 2], 0], mark[0, 1] + (mark[0, 1] - points[1, 1]) * np.array([1, -1])
    np.testing.assert_allclose(points[:, 0], left + (right - left) * x / 40, atol=0.1)
    np.testing.assert_allclose(points[:, 1], bottom + (top - bottom) * y, atol=0.2)
    np.testing.assert_allclose(others[:, 1], bottom + (top - bottom) * (1 - y), atol=0.2)
    assert 0 < left < right < charts.WIDTH and 0 < top < bottom < charts.HEIGHT
    root = parse(chart.svg)[0]
    assert root.get("role") == "img" and root.get("aria-label") == "Loss: a from 0.25 to 0.5; b from 0.75 to 0.5"
    assert chart.keys == [("one", "a"), ("two", "b"), ("mark", "m")]


def test_values_beyond_the_given_ends_are_shown_whole():
    chart = charts.lines("t", "", {"a": ([0, 1], [0.3, 1.4])}, "step", low=0.5, high=1.0)
    (points,), (base,) = paths(chart.svg, "one"), paths(chart.svg, "rule")
    assert 0 < points[:, 1].min() < points[:, 1].max() <= base[0, 1]


def test_many_values_are_thinned():
    many = charts.lines("t", "", {"a": (range(5000), np.arange(5000.0))}, "step")
    (points,) = paths(many.svg, "one")
    assert len(points) == charts.MOST_POINTS and (np.diff(points, axis=0) * [1, -1] >= 0).all()
    assert len(many.svg) < 12_000


def test_bars_are_as_high_as_their_counts():
    bars = charts.histogram("t", "", [0, 0.5, 1, 1.5], [3, 0, 1], "eta", ("start", 0.1))
    heights = [np.ptp(points[:, 1]) for points in paths(bars.svg, "one")]
    assert heights[1] == 0 and heights[0] == pytest.approx(3 * heights[2], abs=0.3) and heights[2] > 20
    assert bars.keys == [("one", "channels"), ("mark", "start")] and len(paths(bars.svg, "quiet")) == 1
    assert parse(bars.svg)[0].get("aria-label") == "t: 4 in 3 bins, most (3) from 0 to 0.5"


def test_an_interval_lies_where_it_is():
    track, span, dot = (paths(charts.interval(0.75, 0.7, 1.2, 0.5, 1.0), name) for name in ("rule", "one", "one"))
    start, end = track[0][:, 0]
    np.testing.assert_allclose(span[0][:, 0], [start + 0.4 * (end - start), end], atol=0.1)
    np.testing.assert_allclose(dot[1][:, 0], (start + end) / 2, atol=0.1)


def test_text_is_shown_as_written():
    chart = charts.lines(EVIL, "", {EVIL: ([0, 1], [0, 1])}, EVIL)
    assert "<script" not in chart.svg
    root, *parts = parse(chart.svg)
    assert EVIL in [element.text for element in parts if element.tag == "text"]
    assert root.get("aria-label") == f"{EVIL}: {EVIL} from 0 to 1"


def test_a_drawing_has_nothing_that_the_page_forbids():
    drawn = [
        charts.lines("t", "", {"a": ([0, 1], [0, 1]), "b": ([0, 1], [1, 0])}, "step", marks=[("m", 0.5)]).svg,
        charts.lines("u", "", {"a": ([0, 1], [0, 1]), "b": ([0, 1], [1, 0])}, "step").svg,
        charts.histogram("v", "", [0, 1, 2], [1, 2], "eta").svg,
        charts.interval(0.5, 0.4, 0.6, 0, 1),
    ]
    names = []
    for element in (element for one in drawn for element in parse(one)):
        assert element.tag in {"svg", "path", "text", "use", "defs"}
        assert not any(key.startswith("on") or key == "style" for key in element.keys())
        colours = {element.get("fill", "none"), element.get("stroke", "none")} - {"none"}
        assert all(colour.startswith("var(--") for colour in colours)
        names += [element.get("id")] if element.get("id") else []
    assert len(names) == len(set(names)) == 4  # A marker for each line: none is taken from another chart.


def test_a_drawing_is_the_same_every_time():
    def draw():
        return charts.lines("t", "", {"a": ([0, 1], [0, 1])}, "step").svg

    first = draw()
    with matplotlib.rc_context({"svg.hashsalt": "other", "text.parse_math": True, "svg.fonttype": "path"}):
        assert draw() == first
    assert set(svg.COLOURS) == {"one", "two", "three", "quiet", "rule", "grid"}
