"""Files of scores for a spreadsheet program."""

import pytest
import python_calamine

from lena_jax.scoring import result_files
from lena_jax.scoring.results import PictureScore

ROWS = [PictureScore("K\u00e4se \U0001f600.jpg", 1.5, 99.0), PictureScore("=cmd()", None, None, "is a folder")]
ROWS += [PictureScore("https://a.org/\udcff.jpg", -2.25, None)]
CELLS = [["name", "score", "percentile", "error"], ["K\u00e4se \U0001f600.jpg", 1.5, 99.0, ""]]
CELLS += [["=cmd()", "", "", "is a folder"], ["https://a.org/\\udcff.jpg", -2.25, "", ""]]


def cells(path):
    with open(path, "rb") as file:
        return python_calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).to_python()


def test_a_workbook_has_texts_as_texts_and_numbers_as_numbers(tmp_path):
    path = tmp_path / "scores.xlsx"
    with result_files.open_results(str(path)) as add:
        for row in ROWS:
            add(row)
    assert cells(path) == CELLS
    assert [one.name for one in tmp_path.iterdir()] == ["scores.xlsx"]


def test_an_interrupted_workbook_can_be_read(tmp_path):
    path = tmp_path / "scores.xlsx"
    with pytest.raises(KeyboardInterrupt), result_files.open_results(str(path)) as add:
        add(ROWS[0])
        raise KeyboardInterrupt
    assert cells(f"{path}.partial") == CELLS[:2] and not path.exists()


def test_more_rows_than_a_sheet_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, "_MOST_XLSX_ROWS", 1)
    with pytest.raises(ValueError, match="at most 1 rows: write .csv"):
        with result_files.open_results(str(tmp_path / "scores.xlsx")) as add:
            for row in ROWS:
                add(row)
