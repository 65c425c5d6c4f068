"""docs/tour.ipynb runs from its first cell to its last, on few pictures and a backbone that compiles in a second."""

from pathlib import Path

import pytest
from config_files import REPOSITORY

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

# Runs before the first cell: what a run would take a minute for is small.
TINY = """
import dataclasses, tiny_trunk
from lena_jax import backbones
tiny = tiny_trunk.tiny_trunks()["tiny"]
tiny = dataclasses.replace(tiny, name="efficientnet_lite0", endpoints=("multilevel",))
backbones.BACKBONES[tiny.name] = tiny
"""
SMALLER = {
    "PICTURES, NEW, FOLDS = 200, 30, 3": "PICTURES, NEW, FOLDS = 24, 4, 2",
    '"-o", "model"]': '"--config.backbone.pretrained=False", "-o", "model"]',
}


@pytest.fixture(scope="module")
def tour():
    return nbformat.read(REPOSITORY / "docs/tour.ipynb", 4)


def test_it_has_fifteen_cells_and_keeps_no_results(tour):
    assert len(tour.cells) == 15
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in tour.cells)


def test_it_runs_from_a_folder_to_maps(tour, tmp_path, monkeypatch):
    for name, value in (("PYTHONPATH", f"{REPOSITORY}:{REPOSITORY / 'tests'}"), ("IPYTHONDIR", str(tmp_path / ".i"))):
        monkeypatch.setenv(name, value)
    for cell in tour.cells:
        for old in [old for old in SMALLER if old in cell.source]:
            cell.source = cell.source.replace(old, SMALLER.pop(old))
    assert not SMALLER
    tour.cells.insert(0, nbformat.v4.new_code_cell(TINY))
    nbclient.NotebookClient(tour, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {}
    for number, cell in enumerate(tour.cells[1:], 1):
        for output in cell.get("outputs", ()):
            if output.output_type == "execute_result":
                shown[number] = set(output.data)
    assert {"image/png"} <= shown[5] & shown[12] & shown[13] and "text/html" in shown[9] & shown[10] & shown[11]
    said = "".join(output.get("text", "") for cell in tour.cells for output in cell.get("outputs", ()))
    assert "pair accuracy" in said and "page    ranking.html" in said
    # Bars are the notebook's: none is written as text.
    assert "it/s" not in said and "pictures/s" not in said and "\r" not in said
    assert Path(tmp_path / "ranking.html").stat().st_size > 10_000
