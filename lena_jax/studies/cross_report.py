"""Write the files of a study across datasets: its table as Markdown and CSV, a figure, and a README."""

import matplotlib
from matplotlib.figure import Figure

from lena_jax.runtime.templates import render
from lena_jax.studies.report import FIGURE_SETTINGS, dot_panel, flatten, signed, write_files

_HEADER = ("trained on", "tested on", "remedy", "pair accuracy", "drop", "gain of the remedy", "p")


@matplotlib.rc_context(FIGURE_SETTINGS)
def write_cross(table, workdir):
    """Write `table.md`, `table.csv`, `figure.png` and `README.md` for a table across datasets.

    Args:
        table: table from `cross_dataset.table_of`.
        workdir: folder of the study.
    """
    rows = [flatten({key: value for key, value in row.items() if value is not None}) for row in table["rows"]]
    readme = render(__package__, "cross_readme.md.j2", table=table)
    write_files(workdir, cross_markdown(table), rows, _figure(table), readme)


def cross_markdown(table):
    """Return the table across datasets as Markdown."""
    return render(
        __package__, "cross_table.md.j2", table=table, header=_HEADER, rows=[_texts(row) for row in table["rows"]]
    )


def _texts(row):
    gain = row["gain"]
    return [
        row["source"],
        row["target"],
        row["remedy"],
        row["note"] if row["pair_accuracy"] is None else f"{row['pair_accuracy']:.3f}",
        signed(row["drop"]) if row["drop"] else "",
        signed(gain) if gain else "",
        "" if not gain or gain["p_holm"] is None else f"{gain['p_holm']:.4f}",
    ]


def _figure(table):
    figure = Figure(figsize=(9, 1.2 + 0.28 * len(table["rows"])), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = [f"{row['source']} → {row['target']}, {row['remedy']}" for row in table["rows"]]
    titles = {"drop": "drop compared with training on the target", "gain": "gain of the remedy"}
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        values = [row[key] and (row[key]["difference"], row[key]["low"], row[key]["high"]) for row in table["rows"]]
        dot_panel(axis, names, values, title, 0.0)
    return figure
