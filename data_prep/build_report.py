"""The build report: what a dataset was made from, and what was left out. It lies beside the dataset's records."""

import json
from pathlib import Path
from typing import Any

from lena_jax.runtime.untrusted import read_object

NAME = "build_report.json"
# The same for people, where a builder writes one.
_TABLE = "build_report.txt"


def write(folder: Path, report: dict[str, Any], table: str = "") -> None:
    """Write the report into a dataset's folder, and the table if there is one."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
    if table:
        (folder / _TABLE).write_text(table, encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Return a dataset's report; empty if there is none, or none that can be read."""
    try:
        return read_object(folder / NAME)
    except (OSError, ValueError):
        return {}


def read_table(folder: Path) -> str:
    """Return the table for people; empty if the builder wrote none."""
    path = folder / _TABLE
    return path.read_text(encoding="utf-8") if path.is_file() else ""
