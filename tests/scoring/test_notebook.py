"""What a scorer and its results show in a notebook, and the table for pandas."""

import io
import os
import re
import sys

import numpy as np
import pytest
from html_elements import Elements
from PIL import Image

from lena_jax.localization import overlays
from lena_jax.runs.percentiles import TrainingScores
from lena_jax.scoring import drawing, notebook

pandas = pytest.importorskip("pandas")


def test_a_table_has_the_scores_in_the_order_of_the_pictures(scorer, photos, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/bad.png").write_bytes(b"none")
    with open(os.fsencode(tmp_path) + b"/z\xff.png", "wb") as file:
        file.write((photos / "test_small.png").read_bytes())
    given = [photos / "test_gif.gif", str(photos / "test_cmyk.jpg"), tmp_path]
    frame = scorer.table(given)
    assert list(frame.columns) == ["name", "score", "percentile", "error"] and list(frame.index) == [0, 1, 2, 3]
    paths = [*map(str, given[:2]), f"{tmp_path}/deep/bad.png", os.fsdecode(os.fsencode(tmp_path) + b"/z\xff.png")]
    expected = list(scorer.score(paths))
    assert list(frame["name"]) == [*paths[:3], f"{tmp_path}/z\\udcff.png"]
    np.testing.assert_allclose(frame["score"], [np.nan if one.score is None else one.score for one in expected])
    assert frame["score"].dtype == frame["percentile"].dtype == np.float64
    assert frame["percentile"].between(0, 100).sum() == 3
    assert "does not decode" in frame["error"][2] and frame["error"].isna().sum() == 3
    assert scorer.table(photos / "test_gif.gif")["score"][0] == pytest.approx(expected[0].score, abs=1e-5)
    pandas.testing.assert_series_equal(scorer.table(frame["name"][:2])["score"], frame["score"][:2], atol=1e-5)
    assert scorer.table([]).shape == (0, 4)


def test_a_column_of_another_table_gets_a_row_for_each_of_its_rows(scorer, photos):
    names = [photos / "test_gif.gif", None, str(photos), "gone.png", str(photos / "test_cmyk.jpg"), float("nan"), " "]
    other = pandas.DataFrame({"path": names}, index=list("gfedcba"))
    frame = scorer.table(other["path"])
    assert list(frame.index) == list("gfedcba")
    assert list(frame["error"].fillna("")) == [
        "",
        "no path",
        "is a folder, not a file",
        "no such file",
        "",
        *2 * ["no path"],
    ]
    expected = [one.score for one in scorer.score([names[0], names[4]])]
    np.testing.assert_allclose(frame.loc[["g", "c"], "score"], expected, atol=1e-5)
    assert frame["score"].isna().sum() == 5
    assert scorer.table(other["path"][:0]).shape == (0, 4)
    with pytest.raises(ValueError, match="got a table with the columns path, expected one of them"):
        scorer.table(other)
    with pytest.raises(ValueError, match="got 3 in a column of paths"):
        scorer.table(pandas.Series(["a.png", 3]))


def test_without_pandas_one_line_says_what_to_install(scorer, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas: pip install pandas"):
        scorer.table(photos)


def test_a_scorer_describes_its_model(scorer):
    def rows(html):
        cells = re.findall("<tr><th scope=.row.>(.*?)</th><td>(.*?)</td></tr>", html)
        assert Elements(html).found[0][0] == "table" and len(cells) == 5
        return dict(cells)

    side = scorer.image_size
    shown = rows(scorer._repr_html_())
    count = shown.pop("percentiles")
    assert shown == {
        "backbone": "tiny",
        "pooling": "LENA",
        "picture": f"{side} x {side} px",
        "maps": "contributions that sum to the score",
    }
    assert re.fullmatch("among [0-9]+ training pictures", count)
    assert rows(notebook.summary(scorer.model, None))["percentiles"] == "none"
    many = TrainingScores.of(np.arange(1500.0))
    assert rows(notebook.summary(scorer.model, many))["percentiles"] == "among 1,500 training pictures"


def test_results_draw_themselves_as_the_commands_draw_them(scorer, photos, tmp_path):
    why = scorer.explain(photos / "test_photo.jpg")
    pair = scorer.compare(photos / "test_photo.jpg", photos / "test_large.jpg")
    drawing.save_explanation(tmp_path / "a.png", why)
    drawing.save_comparison(tmp_path / "b.png", pair)
    for shown, path in ((why, "a.png"), (pair, "b.png")):
        with Image.open(io.BytesIO(shown._repr_png_())) as drawn, Image.open(tmp_path / path) as saved:
            pixels = np.asarray(drawn)
            assert (pixels == np.asarray(saved)).all() and np.ptp(pixels) > 200
    assert isinstance(overlays.as_png(drawing.draw_explanation(why)), bytes)
