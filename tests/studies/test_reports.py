"""The files of studies whose datasets have names that look like markup."""

import csv
import re

import pytest

from lena_jax.localization import overlays
from lena_jax.studies import report
from lena_jax.studies.cross_report import cross_markdown, write_cross
from lena_jax.studies.poolings_report import write_poolings

# A pipe would end a cell, and the dollar signs would begin mathematics, which `\nothing` breaks.
EVIL = "a|b\n# c <script>alert(1)</script> `d` [e](f) $\\nothing_{g$"
GAIN = {"difference": 0.012, "low": -0.001, "high": 0.025, "p_holm": 0.04}


def a_row(source, remedy="none", **found):
    return {
        "source": source,
        "target": "plain",
        "remedy": remedy,
        "note": "",
        "pair_accuracy": 0.7,
        "drop": None,
        "gain": None,
    } | found


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, as SVG with their texts in it."""
    figures, save = [], overlays.save

    def kept(figure, path):
        save(figure, path)
        figure.savefig(f"{path}.svg")
        with open(f"{path}.svg", encoding="utf-8") as file:
            figures.append(file.read())

    monkeypatch.setattr(report.overlays, "save", kept)
    monkeypatch.setitem(report.FIGURE_SETTINGS, "svg.fonttype", "none")
    return figures


def cells(line):
    """How many cells a line of a Markdown table has."""
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_a_table_across_datasets(tmp_path, drawn):
    rows = [
        a_row("plain"),
        a_row(EVIL, drop=GAIN),
        a_row(EVIL, "AdaBN", gain=GAIN | {"p_holm": None}),
        a_row("plain", "within groups", pair_accuracy=None, note="no groups"),
    ]
    table = {"data": ["plain", EVIL], "seeds": 3, "rows": rows}
    write_cross(table, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert text == cross_markdown(table) and "the mean of 3 seeds. *Drop*" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 6 and {cells(line) for line in lines} == {7}
    assert lines[2] == "| plain | plain | none | 0.700 |  |  |  |"
    assert lines[3].endswith("| plain | none | 0.700 | +0.012 [-0.001, +0.025] |  |  |")
    assert lines[4].endswith("| plain | AdaBN | 0.700 |  | +0.012 [-0.001, +0.025] |  |")
    assert lines[5] == "| plain | plain | within groups | no groups |  |  |  |"
    escaped = "a\\|b # c \\<script\\>alert(1)\\</script\\> \\`d\\` [e\\](f) $\\\\nothing_{g$"
    assert lines[3].startswith(f"| {escaped} |")
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"# Trained on one dataset, tested on another: plain, {escaped}\n\nWritten by")
    with open(tmp_path / "table.csv", newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == ["plain", EVIL, EVIL, "plain"]
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    # The two lines of the name, each as it is written.
    assert drawn[0].count(">a|b<") == 2
    assert "[e](f) $\\nothing_{g$ → plain, AdaBN<" in drawn[0]


def test_a_table_of_poolings(tmp_path, drawn):
    accuracy = {"value": 0.7, "low": 0.6, "high": 0.8}
    row = {
        "fusion": "none",
        "pooling": "average",
        "runs": 2,
        "mean": {"pair_accuracy": accuracy, "spearman": dict.fromkeys(("value", "low", "high"))},
        "seconds": None,
        "support": None,
        "against": None,
        "without": None,
    }
    rows = [row, row | {"pooling": EVIL}]
    table = {"data": EVIL, "folds": 5, "seeds": 2, "against": "average", "unit": "group", "rows": rows}
    write_poolings(table, tmp_path)
    text, readme = ((tmp_path / name).read_text() for name in ("table.md", "README.md"))
    assert [line[:18] for line in text.splitlines() if line.startswith("#")] == ["# Poolings on a\\|b"]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4 and {cells(line) for line in lines} == {9}
    assert lines[2] == "| none | average | 0.700 [0.600, 0.800] | undefined | baseline | baseline |  |  |  |"
    for one in (text, readme):
        assert "Means over 5 folds times 2 seeds, with 95 % Student's t intervals over the folds." in one
        assert "new test groups" in one and "over the folds (corrected for the training pictures" in one
    assert "its difference from `average`" in readme and "Learned support sizes" not in text and "masks" not in text
    assert drawn[0].count(">a|b<") == 2 and "$\\nothing_{g$" in drawn[0]
