"""Write the files of a study of poolings: its table as Markdown and CSV, a figure, and a README."""

import matplotlib
from matplotlib.figure import Figure

from lena_jax.runtime.templates import render
from lena_jax.studies.report import FIGURE_SETTINGS, dot_panel, flatten, interval, signed, write_files

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman"}
_OF_MAPS = {"energy": "energy inside", "pointing": "points at it", "pxap": "PxAP"}
_MAPS = {"contribution_map": "contribution map", "virality_map": "virality map"}
_UNITS = {"picture": "pictures", "group": "groups", "set": "sets of pictures that pairs join", None: "pictures"}


@matplotlib.rc_context(FIGURE_SETTINGS)
def write_poolings(table, workdir):
    """Write `table.md`, `table.csv`, `figure.png` and `README.md` for a table of poolings.

    Args:
        table: table from `poolings.table_of`.
        workdir: folder of the study.
    """
    readme = render(__package__, "poolings_readme.md.j2", table=table, unit=_UNITS[table["unit"]])
    write_files(workdir, poolings_markdown(table), [_flat(row) for row in table["rows"]], _figure(table), readme)


def poolings_markdown(table):
    """Return the table of poolings as Markdown: ranking accuracy, support sizes, and how well the maps point."""
    parts = [_objectness(table["rows"]), _supports(table["rows"]), _of_masks(table["rows"])]
    return render(
        __package__,
        "poolings_table.md.j2",
        table=table,
        unit=_UNITS[table["unit"]],
        order=_order(table),
        parts=[part for part in parts if part["rows"]],
    )


def _order(table):
    """Compare the poolings with the baseline."""
    differences = [f"{name} − {table['against']}" for name in _MEASURES.values()]
    return {
        "header": ["fusion", "pooling", *_MEASURES.values(), *differences, "p, pictures", "p, runs", "training"],
        "rows": [
            [
                row["fusion"],
                row["pooling"],
                *(interval(row["mean"][key]) for key in _MEASURES),
                *_compared(row, "against"),
                "" if row["seconds"] is None else f"{row['seconds']:.1f} s",
            ]
            for row in table["rows"]
        ],
    }


def _objectness(rows):
    """Compare each pooling with objectness with the same pooling without."""
    differences = [f"{name} − none" for name in _MEASURES.values()]
    return {
        "title": "With objectness against without, same pooling",
        "header": ["fusion", "pooling", *differences, "p, pictures", "p, runs"],
        "rows": [[row["fusion"], row["pooling"], *_compared(row, "without")] for row in rows if row["without"]],
    }


def _supports(rows):
    """List how many cells the channels learned to average."""
    return {
        "title": "Learned support sizes N, means over the runs",
        "header": ["fusion", "pooling", "median over channels", "5 % to 95 %", "cells of the map"],
        "rows": [
            [
                row["fusion"],
                row["pooling"],
                f"{row['support']['median']:.1f}",
                f"{row['support']['low']:.1f} to {row['support']['high']:.1f}",
                row["support"]["cells"],
            ]
            for row in rows
            if row["support"]
        ],
    }


def _of_masks(rows):
    """List how well the maps agree with the dataset's masks."""
    kinds = [kind for kind in _MAPS if any(_of_map(row, kind, "pxap") for row in rows)]
    columns = [(kind, name) for kind in kinds for name in _OF_MAPS]
    return {
        "title": "Maps against masks",
        "header": ["fusion", "pooling", *(f"{_MAPS[kind]}: {_OF_MAPS[name]}" for kind, name in columns)],
        "rows": [
            [
                row["fusion"],
                row["pooling"],
                *(interval(one) if (one := _of_map(row, kind, name)) else "" for kind, name in columns),
            ]
            for row in rows
            if columns
        ],
    }


def _of_map(row, kind, name):
    return row["mean"].get(f"localization.{kind}.{name}")


def _compared(row, key):
    """Format how a row differs from the one it is compared with, and the p-values over pictures and over runs."""
    if not row[key]:
        return [*("baseline" for _ in _MEASURES), "", ""]
    accuracy = row[key]["pair_accuracy"]
    return [
        *(signed(row[key][measure]) for measure in _MEASURES),
        *("undefined" if one["p_holm"] is None else f"{one['p_holm']:.4f}" for one in (accuracy, accuracy["runs"])),
    ]


def _figure(table):
    fusions = list(dict.fromkeys(row["fusion"] for row in table["rows"]))
    count = len(table["rows"]) // len(fusions)
    figure = Figure(figsize=(1.2 + 4 * len(fusions), 2.2 + 0.5 * count), layout="constrained")
    axes = figure.subplots(2, len(fusions), squeeze=False, sharex="row")
    for column, fusion in enumerate(fusions):
        rows = [row for row in table["rows"] if row["fusion"] == fusion]
        names = [row["pooling"] for row in rows]
        means = [tuple(row["mean"]["pair_accuracy"][key] for key in ("value", "low", "high")) for row in rows]
        dot_panel(axes[0, column], names, means, f"fusion {fusion}: pair accuracy")
        differences = [
            row["against"] and tuple(row["against"]["pair_accuracy"][key] for key in ("difference", "low", "high"))
            for row in rows
        ]
        dot_panel(axes[1, column], names, differences, f"fusion {fusion}: pair accuracy − {table['against']}", 0.0)
    return figure


def _flat(row):
    flat = {key: row[key] for key in ("fusion", "pooling", "runs", "seconds")}
    flat |= flatten({key: row["mean"][key] for key in _MEASURES})
    flat |= flatten({"against": row["against"] or {}, "without": row["without"] or {}, "support": row["support"] or {}})
    return flat | flatten({key: value for key, value in row["mean"].items() if key not in _MEASURES})
