"""What the reports of all studies share: writing their files, formatting numbers, and drawing panels."""

import csv
import os

from lena_jax.localization import overlays
from lena_jax.runtime.files import write_whole

# Matplotlib settings for all figures: a dollar sign in a name does not start a formula.
FIGURE_SETTINGS = {"text.parse_math": False}


def write_files(workdir, markdown, rows, figure, readme):
    """Write `table.md`, `table.csv`, `figure.png` and `README.md` into the folder of a study.

    Args:
        workdir: folder of the study.
        markdown: content of `table.md`.
        rows: one dict per row of `table.csv`; columns missing from a row stay empty.
        figure: Matplotlib figure.
        readme: content of `README.md`.
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
    """Format {"value", "low", "high"} as `0.712 [0.700, 0.724]`."""
    if value["value"] is None:
        return "undefined"
    return f"{value['value']:.3f}" + ("" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]")


def signed(value):
    """Format {"difference", "low", "high"} as `+0.012 [-0.001, +0.025]`."""
    if value["difference"] is None:
        return "undefined"
    ends = "" if value["low"] is None else f" [{value['low']:+.3f}, {value['high']:+.3f}]"
    return f"{value['difference']:+.3f}{ends}"


def flatten(nested, prefix=""):
    """Flatten a nested dict to one with dotted names."""
    flat = {}
    for name, value in nested.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def dot_panel(axis, names, values, title, reference=None):
    """Draw values with intervals, one line per name, the first on top.

    Args:
        axis: Matplotlib axis.
        names: [n] texts.
        values: [n] tuples (value, low, high); an unknown entry is None, an empty line is None instead of a tuple.
        title: title of the panel.
        reference: where to draw a vertical line; None for no line.
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
