"""What the reports of all studies share: the files they write, how they write numbers, and the panels of figures."""

import csv
import os

from lena_jax.localization import overlays
from lena_jax.runtime.files import write_whole

# Figures are drawn under these: a dollar sign in a name is a dollar sign.
FIGURE_SETTINGS = {"text.parse_math": False}


def write_files(workdir, markdown, rows, figure, readme):
    """Writes `table.md`, `table.csv`, `figure.png` and `README.md` into the folder of a study.

    Args:
        workdir: folder of the study.
        markdown: the table to read.
        rows: dicts, one for each row of the CSV; a column that a row does not have is empty there.
        figure: of Matplotlib.
        readme: what each file is, as Markdown.
    """
    write_whole(os.path.join(workdir, "table.md"), lambda file: file.write(markdown))
    names = list(dict.fromkeys(name for row in rows for name in row))

    def write_rows(file):
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    write_whole(os.path.join(workdir, "table.csv"), write_rows)
    overlays.save(figure, os.path.join(workdir, "figure.png"))
    write_whole(os.path.join(workdir, "README.md"), lambda file: file.write(readme))


def interval(value):
    """`0.712 [0.700, 0.724]` of {"value", "low", "high"}."""
    if value["value"] is None:
        return "undefined"
    return f"{value['value']:.3f}" + ("" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]")


def signed(value):
    """`+0.012 [-0.001, +0.025]` of {"difference", "low", "high"}."""
    if value["difference"] is None:
        return "undefined"
    ends = "" if value["low"] is None else f" [{value['low']:+.3f}, {value['high']:+.3f}]"
    return f"{value['difference']:+.3f}{ends}"


def flatten(nested, prefix=""):
    """A nested dict as one of dotted names."""
    flat = {}
    for name, value in nested.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def dot_panel(axis, names, values, title, reference=None):
    """Draws values with intervals, one line a name, the first on top.

    Args:
        axis: of Matplotlib.
        names: [n] texts.
        values: [n] of (value, low, high), None where unknown, or None for an empty line.
        title: of the panel.
        reference: where to draw a vertical line; None for none.
    """
    for place, one in enumerate(values):
        if one is None or one[0] is None:
            continue
        value, low, high = one
        if low is not None:
            axis.plot([low, high], [place, place], color="C0", linewidth=1.5)
        axis.plot([value], [place], "o", color="C0", markersize=5)
    if reference is not None:
        axis.axvline(reference, color="0.6", linestyle=":")
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    axis.set_title(title, fontsize=9)
    axis.grid(axis="x", alpha=0.3)
