"""The files of a study: its table as Markdown and CSV, a figure, and a README that says what each file is."""

import csv
import os

from matplotlib.figure import Figure

from lena_jax.localization import overlays
from lena_jax.runtime.files import write_whole

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman"}
_OF_MAPS = {"energy": "energy inside", "pointing": "points at it", "pxap": "PxAP"}
_MAPS = {"contribution_map": "contribution map", "virality_map": "virality map"}


def write_poolings(table, workdir):
    """Writes `table.md`, `table.csv`, `figure.png` and `README.md` of a table of poolings.

    Args:
        table: of `pooling_study.table_of`.
        workdir: folder of the study.
    """
    write_whole(os.path.join(workdir, "table.md"), lambda file: file.write(poolings_markdown(table)))
    write_rows(os.path.join(workdir, "table.csv"), [_flat(row) for row in table["rows"]])
    _poolings_figure(table, os.path.join(workdir, "figure.png"))
    write_whole(os.path.join(workdir, "README.md"), lambda file: file.write(_poolings_readme(table)))


def poolings_markdown(table):
    """The table of poolings as Markdown: order, size of the supports, place."""
    against = table["against"]
    header = ["fusion", "pooling", *_MEASURES.values()]
    header += [f"{name} − {against}" for name in _MEASURES.values()]
    header += ["p, pictures", "p, runs", "training"]
    lines = [
        [
            row["fusion"],
            row["pooling"],
            *(interval(row["mean"][key]) for key in _MEASURES),
            *(_difference(row, key) for key in _MEASURES),
            *(_holm(row, lambda one: one["pair_accuracy"]), _holm(row, lambda one: one["pair_accuracy"]["runs"])),
            "" if row["seconds"] is None else f"{row['seconds']:.1f} s",
        ]
        for row in table["rows"]
    ]
    text = f"# Poolings on {table['data']}\n\n{_how(table)}\n\n{markdown(header, lines)}\n"
    mapped = [row for row in table["rows"] if row["without"]]
    if mapped:
        text += (
            "\nObjectness against none with the same pooling:\n\n"
            + markdown(
                ["fusion", "pooling", *(f"{name} − none" for name in _MEASURES.values()), "p, pictures", "p, runs"],
                [
                    [
                        row["fusion"],
                        row["pooling"],
                        *(_difference(row, key, "without") for key in _MEASURES),
                        _holm(row, lambda one: one["pair_accuracy"], "without"),
                        _holm(row, lambda one: one["pair_accuracy"]["runs"], "without"),
                    ]
                    for row in mapped
                ],
            )
            + "\n"
        )
    supports = [
        [
            row["fusion"],
            row["pooling"],
            f"{row['support']['median']:.1f}",
            f"{row['support']['low']:.1f} to {row['support']['high']:.1f}",
            str(row["support"]["cells"]),
        ]
        for row in table["rows"]
        if row["support"]
    ]
    if supports:
        text += (
            "\nLearned sizes N of the support, means over the runs:\n\n"
            + markdown(["fusion", "pooling", "median of channels", "5 % to 95 %", "cells of the map"], supports)
            + "\n"
        )
    kinds = [kind for kind in _MAPS if any(_of_map(row, kind, "pxap") for row in table["rows"])]
    if kinds:
        cells = [[_of_map(row, kind, name) for kind in kinds for name in _OF_MAPS] for row in table["rows"]]
        text += (
            "\nMaps against masks:\n\n"
            + markdown(
                ["fusion", "pooling", *(f"{_MAPS[kind]}: {name}" for kind in kinds for name in _OF_MAPS.values())],
                [
                    [row["fusion"], row["pooling"], *(interval(one) if one else "" for one in line)]
                    for row, line in zip(table["rows"], cells, strict=True)
                ],
            )
            + "\n"
        )
    return text


def markdown(header, rows):
    """A Markdown table of texts."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def interval(value, decimals=3):
    """`0.712 [0.700, 0.724]` of {"value", "low", "high"}."""
    if value["value"] is None:
        return "undefined"
    return f"{value['value']:.{decimals}f}" + (
        "" if value["low"] is None else f" [{value['low']:.{decimals}f}, {value['high']:.{decimals}f}]"
    )


def signed(value, decimals=3):
    """`+0.012 [-0.001, +0.025]` of {"difference", "low", "high"}."""
    if value["difference"] is None:
        return "undefined"
    return f"{value['difference']:+.{decimals}f}" + (
        "" if value["low"] is None else f" [{value['low']:+.{decimals}f}, {value['high']:+.{decimals}f}]"
    )


def write_rows(path, rows):
    """Writes dicts as CSV; a column that a row does not have is empty there."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def write(file):
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    write_whole(path, write)


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


def _poolings_figure(table, path):
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
    overlays.save(figure, path)


def _flat(row):
    flat = {key: row[key] for key in ("fusion", "pooling", "runs", "seconds")}
    flat |= flatten({key: row["mean"][key] for key in _MEASURES})
    flat |= flatten({"against": row["against"] or {}, "without": row["without"] or {}, "support": row["support"] or {}})
    return flat | flatten({key: value for key, value in row["mean"].items() if key not in _MEASURES})


def _of_map(row, kind, name):
    return row["mean"].get(f"localization.{kind}.{name}")


def _difference(row, measure, key="against"):
    return signed(row[key][measure]) if row[key] else "baseline"


def _holm(row, part, key="against"):
    if not row[key]:
        return ""
    p = part(row[key])["p_holm"]
    return "undefined" if p is None else f"{p:.4f}"


def _how(table):
    times = " times ".join(
        ([f"{table['folds']} folds"] if table["folds"] else [])
        + ([f"{table['seeds']} seeds"] if table["seeds"] > 1 else [])
    )
    unit = {"picture": "pictures", "group": "groups", "set": "sets of pictures that pairs join", None: "pictures"}
    overlap = " (corrected for the training pictures that folds share)" if table["folds"] else ""
    over = "folds" if table["folds"] else "seeds"
    return (
        f"Means over {times}, with 95 % Student's t intervals over the {over}. Differences from "
        f"`{table['against']}` of the same fusion are paired, with 95 % intervals over new test "
        f"{unit[table['unit']]}. Both p are of the difference in pair accuracy and Holm-corrected over the rows: "
        f"*pictures* is a sign-flip test for new test {unit[table['unit']]} and these trainings, *runs* a paired "
        f"t test over the {over}{overlap}. Training is the time of one run's steps."
    )


def _poolings_readme(table):
    return f"""# A comparison of poolings on {table["data"]}

Written by `experiments/compare_pooling.py`. {_how(table)}

| file | what it is |
|---|---|
| `table.md` | the table to read: order, learned supports, and with masks how well the maps point |
| `table.csv` | one row a pooling and fusion, with every number: means, intervals, differences, p-values |
| `table.json` | the same, nested; `p_value` as tested, `p_holm` corrected over the rows |
| `figure.png` | pair accuracy, and its difference from `{table["against"]}`, one column of panels a fusion |
| `study.json` | the config that all runs share; a workdir takes no other |
| `cells/FUSION/POOLING/` | the runs, as `experiments/train.py` leaves them, each evaluated |

In `table.csv` and `table.json`, `against.MEASURE.difference`, `low`, `high` and `p_value` are over new test pictures,
with the trainings as they are; `against.MEASURE.runs.*` are over the runs, with the test pictures as they are;
`without.*` compares a row with objectness with the same pooling without, in the same ways. Claim a
pooling to be better as a method only where both hold.
"""


def write_cross(table, workdir):
    """Writes `table.md`, `table.csv`, `figure.png` and `README.md` of a table across data sets.

    Args:
        table: of `cross_data.table_of`.
        workdir: folder of the study.
    """
    write_whole(os.path.join(workdir, "table.md"), lambda file: file.write(cross_markdown(table)))
    write_rows(
        os.path.join(workdir, "table.csv"),
        [flatten({key: value for key, value in row.items() if value is not None}) for row in table["rows"]],
    )
    _cross_figure(table, os.path.join(workdir, "figure.png"))
    write_whole(os.path.join(workdir, "README.md"), lambda file: file.write(_cross_readme(table)))


def cross_markdown(table):
    """The table across data sets as Markdown."""
    lines = []
    for row in table["rows"]:
        gain = row["gain"]
        p = "" if not gain or gain["p_holm"] is None else f"{gain['p_holm']:.4f}"
        lines.append(
            [
                row["source"],
                row["target"],
                row["remedy"],
                row["note"] if row["pair_accuracy"] is None else f"{row['pair_accuracy']:.3f}",
                signed(row["drop"]) if row["drop"] else "",
                signed(gain) if gain else "",
                p,
            ]
        )
    header = ["trained on", "tested on", "remedy", "pair accuracy", "drop", "gain of the remedy", "p"]
    return f"# Across data sets\n\n{_how_cross(table)}\n\n{markdown(header, lines)}\n"


def _cross_figure(table, path):
    figure = Figure(figsize=(9, 1.2 + 0.28 * len(table["rows"])), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = [f"{row['source']} → {row['target']}, {row['remedy']}" for row in table["rows"]]
    for axis, key, title in zip(
        axes, ("drop", "gain"), ("drop against training on the target", "gain of the remedy"), strict=True
    ):
        dot_panel(
            axis,
            names,
            [row[key] and (row[key]["difference"], row[key]["low"], row[key]["high"]) for row in table["rows"]],
            title,
            0.0,
        )
    overlays.save(figure, path)


def _how_cross(table):
    seeds = "one seed" if table["seeds"] == 1 else f"the mean of {table['seeds']} seeds"
    return (
        f"Pair accuracy on the test pictures, {seeds}. *Drop*: training on the target minus training on the "
        "source, on the same pairs. *Gain*: with the remedy minus without. Intervals (95 %) and p-values (sign "
        "flips, Holm-corrected over all gains) are over the target's test pictures, for these trainings. Without a "
        "remedy training compares pictures of all groups; *within groups* compares those of one group only; "
        "*AdaBN* takes BatchNorm's statistics from the target's training pictures, without their scores."
    )


def _cross_readme(table):
    return f"""# Trained on one data set, tested on another: {", ".join(table["data"])}

Written by `experiments/cross_dataset.py`. {_how_cross(table)}

| file | what it is |
|---|---|
| `table.md` | the table to read |
| `table.csv`, `table.json` | the same with every number |
| `figure.png` | drops and gains with their intervals |
| `study.json` | the config that all runs share; a workdir takes no other |
| `cells/SOURCE/GROUPS/seed_N/` | the runs; `on_TARGET.json` has their scores of the target's test pictures |
"""
