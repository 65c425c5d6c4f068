"""Small charts as SVG that takes its colours from the page's style, and reads the same in light, dark and print."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from lena_jax.report.html import Html, join, tag

WIDTH, HEIGHT = 400, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 34
_COLOURS = ("one", "two", "three")
MOST_POINTS = 300


def lines(title, note, series, x_label, *, marks=(), low=None, high=None, x_end=None):
    """Curves over steps.

    Args:
        title, note: of the chart; the note may be empty.
        series: {name: (x [n], y [n])}; values that are not finite are left out, and of many the means are drawn.
        x_label: of the horizontal axis.
        marks: (name, y) of dotted horizontal lines.
        low, high: ends of the vertical axis; None for those of the values.
        x_end: of the horizontal axis; None for the last x.

    Returns:
        `Html`; empty without a value.
    """
    points = {name: _thin(*values) for name, values in series.items()}
    points = {name: values for name, values in points.items() if len(values[0])}
    if not points:
        return Html()
    ys = np.concatenate([y for _, y in points.values()] + [[y] for _, y in marks])
    low, high = (ys.min() if low is None else low), (ys.max() if high is None else max(high, ys.max()))
    frame = _Frame(
        min(0, *(x.min() for x, _ in points.values())), x_end or max(x.max() for x, _ in points.values()), low, high
    )
    drawn = [frame.axes(x_label)]
    for _, y in marks:
        drawn.append(tag("line", class_="mark", x1=_LEFT, x2=WIDTH - _RIGHT, y1=frame.y(y), y2=frame.y(y)))
    for colour, (x, y) in zip(_COLOURS, points.values(), strict=False):
        at = [(frame.x(a), frame.y(b)) for a, b in zip(x, y, strict=True)]
        drawn.append(tag("polyline", class_=f"line {colour}", points=" ".join(f"{a},{b}" for a, b in at)))
        if len(at) <= 25:
            drawn += [tag("circle", class_=f"dot {colour}", cx=a, cy=b, r=2.2) for a, b in at]
    said = "; ".join(f"{name} from {y[0]:.3g} to {y[-1]:.3g}" for name, (_, y) in points.items())
    keys = [(_key(colour), name) for colour, name in zip(_COLOURS, points, strict=False)]
    keys += [(_key(None), name) for name, _ in marks]
    return _figure(title, note, f"{title}: {said}", drawn, keys)


def histogram(title, note, edges, counts, x_label, mark=None):
    """Bars over bins; `mark` is (name, x) of a dotted vertical line, or None."""
    frame = _Frame(edges[0], edges[-1], 0, max(counts))
    drawn = [frame.axes(x_label)]
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        drawn.append(
            tag(
                "rect",
                class_="bar one",
                x=round(frame.x(left) + 0.5, 1),
                y=frame.y(count),
                width=round(frame.x(right) - frame.x(left) - 1, 1),
                height=round(frame.y(0) - frame.y(count), 1),
            )
        )
    if mark:
        drawn.append(tag("line", class_="mark", x1=frame.x(mark[1]), x2=frame.x(mark[1]), y1=_TOP, y2=HEIGHT - _BOTTOM))
    top = int(np.argmax(counts))
    said = (
        f"{title}: {sum(counts)} in {len(counts)} bins, most ({counts[top]}) from {edges[top]:.3g} to "
        f"{edges[top + 1]:.3g}"
    )
    return _figure(title, note, said, drawn, [(_key("one"), "channels")] + ([(_key(None), mark[0])] if mark else []))


def interval(value, low, high, start, end):
    """A measure and its interval on a line from `start` to `end`."""

    def x(at):
        return round(4 + 292 * (min(max(at, start), end) - start) / (end - start), 1)

    parts = [tag("line", class_="track", x1=4, x2=296, y1=7, y2=7)]
    if low is not None:
        parts.append(tag("line", class_="span", x1=x(low), x2=x(high), y1=7, y2=7))
    parts += [
        tag("circle", class_="dot one", cx=x(value), cy=7, r=4.5),
        tag("text", f"{start:g}", x=2, y=26),
        tag("text", f"{end:g}", x=298, y=26, text_anchor="end"),
    ]
    return tag("svg", *parts, viewBox="0 0 300 30", aria_hidden="true")


def _figure(title, note, said, drawn, keys):
    legend = tag("ul", *(tag("li", key, name) for key, name in keys), class_="legend") if len(keys) > 1 else Html()
    return tag(
        "figure",
        tag("figcaption", title, tag("p", note) if note else Html()),
        tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said),
        legend,
        class_="chart",
    )


def _key(colour):
    shape = (
        tag("circle", class_=f"key {colour}", cx=5, cy=5, r=4.5)
        if colour
        else tag("line", class_="mark", x1=0, x2=10, y1=5, y2=5)
    )
    return tag("svg", shape, viewBox="0 0 10 10", aria_hidden="true")


def _thin(x, y):
    """The finite points; where there are many, means of neighbours."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) <= MOST_POINTS:
        return x, y
    return tuple(np.array([part.mean() for part in np.array_split(values, MOST_POINTS)]) for values in (x, y))


class _Frame:
    """From values to places in the drawing, and the axes."""

    def __init__(self, x_low, x_high, y_low, y_high):
        if not y_high > y_low:
            y_low, y_high = y_low - 0.5 * (abs(y_low) or 1), y_high + 0.5 * (abs(y_high) or 1)
        self._x_ticks = self._ticks(x_low, x_high, 5)
        self._y_ticks = self._ticks(y_low, y_high, 5)
        self._xs = (x_low, x_high if x_high > x_low else x_low + 1)
        self._ys = (min(y_low, self._y_ticks[0]), max(y_high, self._y_ticks[-1]))

    @staticmethod
    def _ticks(low, high, count):
        return MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high if high > low else low + 1)

    def x(self, value):
        low, high = self._xs
        return round(float(_LEFT + (WIDTH - _LEFT - _RIGHT) * (value - low) / (high - low)), 1)

    def y(self, value):
        low, high = self._ys
        return round(float(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)), 1)

    def axes(self, x_label):
        parts = []
        for number, tick in enumerate(self._y_ticks):
            parts += [
                tag(
                    "line",
                    class_="grid" if number else "base",
                    x1=_LEFT,
                    x2=WIDTH - _RIGHT,
                    y1=self.y(tick),
                    y2=self.y(tick),
                ),
                tag("text", f"{tick:g}", x=_LEFT - 6, y=self.y(tick) + 4, text_anchor="end"),
            ]
        for tick in self._x_ticks:
            if self._xs[0] <= tick <= self._xs[1]:
                parts.append(tag("text", f"{tick:g}", x=self.x(tick), y=HEIGHT - _BOTTOM + 15, text_anchor="middle"))
        parts.append(tag("text", x_label, x=(_LEFT + WIDTH - _RIGHT) / 2, y=HEIGHT - 3, text_anchor="middle"))
        return join(parts)
