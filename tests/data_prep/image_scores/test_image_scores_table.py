"""The CSV: which rows are kept, and a clear message for each way to get it wrong."""

import dataclasses
import math

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from data_prep.image_scores import table, transforms
from data_prep.tables import files


def test_rows_are_read_with_their_numbers(write_csv):
    path = write_csv(
        ["likes", "image", "site", "part"], ["3.5", "a/b.jpg", "x", "test"], ["-1e2", "c.jpg", "y", "train"]
    )
    content = table.read(path, "likes", group="site", split="part")
    assert content.rows == (
        table.Row(2, "a/b.jpg", 3.5, "x", "test"),
        table.Row(3, "c.jpg", -100.0, "y", "train"),
    )
    assert content.total == 2


def test_without_group_and_split_columns_all_are_alike(write_csv):
    content = table.read(write_csv(["path", "s"], ["a.jpg", "1"]), "s", image_column="path")
    assert content.rows == (table.Row(2, "a.jpg", 1.0, "", "train"),)


def test_empty_scores_and_groups_are_left_out_and_counted(write_csv):
    path = write_csv(
        ["image", "s", "g"], ["a.jpg", "", "x"], ["b.jpg", "1", " "], ["c.jpg", "2", "x"], ["d.jpg", " ", ""]
    )
    content = table.read(path, "s", group="g")
    assert [row.id for row in content.rows] == ["c.jpg"]
    assert content.without_score == (2, 5) and content.without_group == (3,) and content.total == 4
    assert len(table.read(path, "s").rows) == 2


def test_byte_order_mark_quotes_and_empty_lines_are_understood(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffimage , s\r\n"a, b.jpg",1\r\n\r\nc.jpg,2\r\n\r\n'.encode())
    content = table.read(path, "s")
    assert [(row.id, row.number) for row in content.rows] == [("a, b.jpg", 2), ("c.jpg", 4)]
    assert content.total == 2


@pytest.mark.parametrize(
    "value", ["many", "inf", "-Infinity", "1e399", "1_000", "0x10", "5%", "1,23,4", "1.2.3", "(3)", "3 km"]
)
def test_a_score_that_is_no_number_names_file_row_and_value(write_csv, value):
    path = write_csv(["image", "s"], ["a.jpg", "1"], ["b.jpg", value])
    with pytest.raises(ValueError, match="expected a finite number") as caught:
        table.read(path, "s")
    assert f"{path}, row 3: s is {value!r}" in str(caught.value)


def test_a_missing_column_lists_those_there_and_suggests_the_nearest(write_csv):
    path = write_csv(["image", "likes", "views"], ["a.jpg", "1", "2"])
    with pytest.raises(
        ValueError, match="got column 'like', expected one of image, likes, views; did you mean 'likes'"
    ):
        table.read(path, "like")
    for arguments in ({"image_column": "file"}, {"group": "site"}, {"split": "part"}):
        with pytest.raises(ValueError, match="expected one of image, likes, views"):
            table.read(path, "likes", **arguments)


def test_a_column_there_twice_is_an_error(write_csv):
    with pytest.raises(ValueError, match="column 's' is there 2 times"):
        table.read(write_csv(["image", "s", "s"], ["a.jpg", "1", "2"]), "s")


@pytest.mark.parametrize(("values", "got"), [(["b.jpg"], 1), (["b.jpg", "1", "2"], 3)])
def test_a_row_of_another_length_is_an_error(write_csv, values, got):
    with pytest.raises(ValueError, match=f"row 3: got {got} values, expected 2"):
        table.read(write_csv(["image", "s"], ["a.jpg", "1"], values), "s")


def test_a_row_that_repeats_another_counts_once(write_csv):
    rows = [["a.jpg", "1", "x"], ["b.jpg", "2", "x"], ["./a.jpg", "1", "x"]]
    content = table.read(write_csv(["image", "s", "g"], *rows), "s", "image", "g")
    assert [row.id for row in content.rows] == ["a.jpg", "b.jpg"] and content.total == 3
    assert "repeated rows, which count once: 1, such as row 4" in content.said
    # The same score in another group says something else.
    rows[2][2] = "y"
    with pytest.raises(ValueError, match="row 4: got picture './a.jpg' twice, expected once; first in row 2. Delete"):
        table.read(write_csv(["image", "s", "g"], *rows), "s", "image", "g")


@pytest.mark.parametrize("second", ["a.jpg", "./a.jpg"])
def test_a_picture_there_twice_is_an_error(write_csv, second):
    with pytest.raises(ValueError, match="row 4: got picture .* twice, with s 1 and 2, expected once; first in row 2"):
        table.read(write_csv(["image", "s"], ["a.jpg", "1"], ["b.jpg", "1"], [second, "2"]), "s")


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", ""])
def test_a_path_that_leaves_the_folder_is_refused_by_row(write_csv, name):
    with pytest.raises(ValueError, match="row 3: picture path"):
        table.read(write_csv(["image", "s"], ["a.jpg", "1"], [name, "2"]), "s")


@pytest.mark.parametrize("value", ["Train", "val", ""])
def test_an_unknown_split_is_an_error(write_csv, value):
    with pytest.raises(ValueError, match=f"p is {value!r}, expected one of train, validation, test"):
        table.read(write_csv(["image", "s", "p"], ["a.jpg", "1", value]), "s", split="p")


def test_what_is_no_csv_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        table.read(tmp_path / "gone.csv", "s")
    with pytest.raises(ValueError, match="no such table"):
        table.read(tmp_path, "s")
    path = tmp_path / "t.csv"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is an empty file"):
        table.read(path, "s")
    path.write_bytes(b"\x00\x01\x02image,s")
    with pytest.raises(ValueError, match="is not text"):
        table.read(path, "s")
    path.write_text('image,s\n"a.jpg,1\n')
    with pytest.raises(ValueError, match="not a CSV"):
        table.read(path, "s")


@pytest.fixture
def write_parquet(tmp_path):
    def write(**columns):
        path = tmp_path / "table"
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return path

    return write


def test_parquet_is_read_as_the_csv_is(write_csv, write_parquet):
    columns = {
        "image": ["a.jpg", " b.jpg", "c.jpg", "d.jpg"],
        "likes": [3, 5, None, 7],
        "site": ["x", "y", "x", None],
        "weight": [0.5, 1.0, 2.0, 3.0],
    }
    rows = zip(*columns.values(), strict=True)
    csv = write_csv(columns, *[["" if cell is None else cell for cell in row] for row in rows])
    ours = table.read(write_parquet(**columns), "likes", group="site", weight="weight")
    theirs = table.read(csv, "likes", group="site", weight="weight")
    # A spreadsheet counts the header as a row.
    assert [dataclasses.replace(row, number=row.number + 1) for row in ours.rows] == list(theirs.rows)
    assert ours.without_score == (3,) and ours.without_group == (4,) and ours.total == theirs.total == 4


def test_parquet_in_many_batches_keeps_its_row_numbers(write_parquet, monkeypatch):
    monkeypatch.setattr(files, "_ROWS_AT_ONCE", 3)
    path = write_parquet(image=[f"{number}.jpg" for number in range(10)], s=list(range(10)))
    content = table.read(path, "s")
    assert [(row.number, row.score) for row in content.rows] == [(n + 1, float(n)) for n in range(10)]


def test_bad_parquet_is_named(write_parquet, tmp_path):
    path = write_parquet(image=["a.jpg", "../b.jpg"], s=[1.0, 2.0], bad=[1.0, float("nan")])
    with pytest.raises(ValueError, match=f"{path}, row 2: picture path"):
        table.read(path, "s")
    with pytest.raises(ValueError, match="got column 't', expected one of image, s, bad"):
        table.read(path, "t")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="not a readable Parquet file"):
        table.read(path, "s")


def test_more_scores_are_kept_beside_the_first(write_csv):
    path = write_csv(["image", "a", "b"], ["1.jpg", "1", "10"], ["2.jpg", "2", ""], ["3.jpg", "", "5"])
    content = table.read(path, "a", others=("b",))
    assert content.others == ("b",) and content.without_score == (4,)
    assert content.rows[0].others == (10.0,) and math.isnan(content.rows[1].others[0])
    with pytest.raises(ValueError, match="got column 'b' twice"):
        table.read(path, "a", others=("b", "b"))
    with pytest.raises(ValueError, match="got column 'a' twice"):
        table.read(path, "a", others=("a",))


def test_rates_are_shrunk_within_the_group_and_the_likes_are_kept(write_csv):
    rows = [[f"{n}.jpg", n, 10 * n + 10, "xy"[n % 2], 1 if n else ""] for n in range(8)]
    path = write_csv(["image", "likes", "views", "site", "more"], *rows, ["gone.jpg", 1, "", "x", 1])
    content = table.read(path, "likes", group="site", transform="rate", views="views", others=("more",))
    likes, views, sites = (np.array([row[column] for row in rows]) for column in (1, 2, 3))
    expected, priors = transforms.shrunk_rates(likes, views, sites)
    np.testing.assert_allclose([row.score for row in content.rows], expected, rtol=1e-6)
    assert content.priors == priors and set(priors) == {"x", "y"}
    assert content.others == ("likes", "more") and content.rows[3].others == (3.0, 1.0)
    assert content.without_views == (10,) and content.total == 9
    fixed = table.read(path, "likes", group="site", transform="rate", views="views", prior_views=50.0)
    assert {prior.strength for prior in fixed.priors.values()} == {50.0}


def test_percentiles_are_within_the_group(write_csv):
    rows = [["a.jpg", 1, "x"], ["b.jpg", 900, "y"], ["c.jpg", 2, "x"], ["d.jpg", 1000, "y"]]
    content = table.read(write_csv(["image", "s", "g"], *rows), "s", group="g", transform="percentile")
    assert [row.score for row in content.rows] == [0.25, 0.25, 0.75, 0.75]
    assert content.others == ("s",) and content.rows[1].others == (900.0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": "log"}, "got 'log', expected one of raw, rate, percentile"),
        ({"transform": "rate"}, "got no column of views"),
        ({"views": "v"}, "views: got 'v' with transform 'raw'"),
        ({"prior_views": 3.0, "transform": "percentile"}, "prior_views: got 3.0"),
        ({"transform": "rate", "views": "v", "prior_views": -1.0}, "got -1.0, expected a number of views above 0"),
        ({"transform": "rate", "views": "few"}, "row 3: s is 5 and few is 4, expected 0 <= s <= few"),
        ({"transform": "rate", "views": "minus"}, "row 2: minus is '-1', expected .* at least 0"),
        ({"weight": "minus"}, "row 2: minus is '-1', expected .* at least 0"),
        ({"weight": "hole"}, "row 3: hole is '', expected a finite number"),
    ],
)
def test_bad_options_are_named(write_csv, options, message):
    header = ["image", "s", "v", "few", "minus", "hole"]
    path = write_csv(header, ["a.jpg", 1, 10, 3, -1, 1], ["b.jpg", 5, 10, 4, -1, ""])
    with pytest.raises(ValueError, match=message):
        table.read(path, "s", **options)


def test_a_unit_is_in_one_split_only(write_csv):
    rows = [["a.jpg", 1, "train", "ann"], ["b.jpg", 2, "test", "bob"]]
    rows += [["c.jpg", 3, "test", ""], ["d.jpg", 4, "train", ""]]
    header = ["image", "s", "part", "author"]
    content = table.read(write_csv(header, *rows), "s", split="part", fold_by="author")
    assert [row.unit for row in content.rows] == ["ann", "bob", "", ""]
    with pytest.raises(ValueError, match="row 6: author 'bob' is in train, and in test in row 3"):
        table.read(write_csv(header, *rows, ["e.jpg", 5, "train", "bob"]), "s", split="part", fold_by="author")
