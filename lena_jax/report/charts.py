"""Draw the charts of the report with Matplotlib."""

import dataclasses

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lena_jax.report import svg

WIDTH, HEIGHT = 400, 200
MOST_POINTS = 300

_SERIES = ("one", "two", "three")
_MOST_DOTS = 25
_MARK = {"linewidth": 1, "linestyle": (0, (3, 3)), "clip_on": False}


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart with its title, note and legend.

    Attributes:
        title, note: text above the chart; the note may be empty.
        svg: the drawing.
        keys: legend as (name of a colour, what is drawn in it); "mark" stands for dotted lines.
    """

    title: str
    note: str
    svg: Markup
    keys: list


@matplotlib.rc_context(svg.SETTINGS)
def lines(title, note, series, x_label, *, marks=(), low=None, high=None, x_end=None):
    """Draws curves over steps.

    Args:
        title, note: text above the chart; the note may be empty.
        series: {name: (x [n], y [n])}. Values that are not finite are dropped. Long series are thinned to means of
            neighbouring points.
        x_label: label of the horizontal axis.
        marks: (name, y) of dotted horizontal lines.
        low, high: values that the vertical axis must include; None for the range of the data.
        x_end: end of the horizontal axis; None for the last x.

    Returns:
        A `Chart`, or None if there are no values.
    """
    points = {name: _thin(*values) for name, values in series.items()}
    points = {name: values for name, values in points.items() if len(values[0])}
    if not points:
        return None
    xs = np.concatenate([x for x, _ in points.values()])
    others = [end for end in (low, high, *(y for _, y in marks)) if end is not None]
    ys = np.concatenate([*(y for _, y in points.values()), others])
    figure, axes = _axes(x_label, (min(0, xs.min()), x_end or xs.max()), (ys.min(), ys.max()))
    for _, y in marks:
        axes.axhline(y, color=svg.COLOURS["quiet"], **_MARK)
    for colour, (x, y) in zip(_SERIES, points.values(), strict=False):
        marker = "o" if len(x) <= _MOST_DOTS else None
        style = {"linewidth": 1.75, "solid_joinstyle": "round", "solid_capstyle": "round", "clip_on": False}
        axes.plot(x, y, color=svg.COLOURS[colour], marker=marker, markersize=4.4, markeredgewidth=0, **style)
    said = "; ".join(f"{name} from {y[0]:.3g} to {y[-1]:.3g}" for name, (_, y) in points.items())
    keys = [*zip(_SERIES, points, strict=False), *(("mark", name) for name, _ in marks)]
    return Chart(title, note, svg.inline(figure, f"{title}: {said}"), keys)


@matplotlib.rc_context(svg.SETTINGS)
def histogram(title, note, edges, counts, x_label, mark=None):
    """Draws the number of channels per bin. `mark` is (name, x) of a dotted vertical line, or None.

    Returns:
        A `Chart`.
    """
    figure, axes = _axes(x_label, (edges[0], edges[-1]), (0, max(counts)))
    gap = 0.05 * (edges[1] - edges[0])
    axes.bar(
        np.array(edges[:-1]) + gap,
        counts,
        np.diff(edges) - 2 * gap,
        align="edge",
        color=svg.COLOURS["one"],
        alpha=0.75,
        clip_on=False,
    )
    if mark:
        axes.axvline(mark[1], color=svg.COLOURS["quiet"], **_MARK)
    top = int(np.argmax(counts))
    said = (
        f"{title}: {sum(counts)} in {len(counts)} bins, most ({counts[top]}) from {edges[top]:.3g} to "
        f"{edges[top + 1]:.3g}"
    )
    keys = [("one", "channels")] + ([("mark", mark[0])] if mark else [])
    return Chart(title, note, svg.inline(figure, said), keys)


@matplotlib.rc_context(svg.SETTINGS)
def interval(value, low, high, start, end):
    """Draws a measure on a line from `start` to `end`, with its interval unless `low` is None."""
    width, height, margin = 300, 30, 4
    figure = svg.new_figure(width, height)
    axes = figure.add_axes((margin / width, 0, 1 - 2 * margin / width, 1))
    axes.set(xlim=(start, end), ylim=(0, height))
    axes.axis("off")
    place, style = height - 7, {"solid_capstyle": "round", "clip_on": False}
    axes.plot([start, end], [place, place], color=svg.COLOURS["rule"], linewidth=3, **style)
    if low is not None:
        inside = np.clip([low, high], start, end)
        axes.plot(inside, [place, place], color=svg.COLOURS["one"], alpha=0.5, linewidth=5, **style)
    # A line of zero length draws a dot by its round caps. A marker would get an id, the same in every drawing.
    axes.plot(np.clip([value, value], start, end), [place, place], color=svg.COLOURS["one"], linewidth=9, **style)
    for at, side in ((start, "left"), (end, "right")):
        axes.text(at, 4, f"{at:g}", horizontalalignment=side)
    return svg.inline(figure)


def _axes(x_label, x_ends, y_ends):
    """Creates a figure and its axes, with a light grid. The vertical axis ends at ticks."""
    (x_low, x_high), (y_low, y_high) = x_ends, y_ends
    if not y_high > y_low:
        y_low, y_high = y_low - 0.5 * (abs(y_low) or 1), y_high + 0.5 * (abs(y_high) or 1)
    figure = svg.new_figure(WIDTH, HEIGHT, "constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    ticks = _locator().tick_values(y_low, y_high)
    axes.set(xlim=(x_low, x_high if x_high > x_low else x_low + 1), xlabel=x_label)
    axes.set(ylim=(min(y_low, ticks[0]), max(y_high, ticks[-1])), yticks=ticks)
    axes.xaxis.set_major_locator(_locator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    axes.tick_params(left=False, bottom=False)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set(color=svg.COLOURS["rule"], linewidth=1, zorder=0.5)
    axes.grid(axis="y", color=svg.COLOURS["grid"], linewidth=1, clip_on=False)
    axes.set_axisbelow(True)
    return figure, axes


def _locator():
    return MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])


def _thin(x, y):
    """Drops points that are not finite, and thins long series to means of neighbouring points."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) <= MOST_POINTS:
        return x, y
    return tuple(np.array([part.mean() for part in np.array_split(values, MOST_POINTS)]) for values in (x, y))
