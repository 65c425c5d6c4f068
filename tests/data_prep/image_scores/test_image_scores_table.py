"""The CSV: which rows are kept, and a clear message for each way to get it wrong."""

import pytest

from data_prep.image_scores import table


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


@pytest.mark.parametrize("value", ["many", "nan", "inf", "-Infinity", "1e39", "1,5", "1_000", "0x10", "5%"])
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


@pytest.mark.parametrize(("cells", "got"), [(["b.jpg"], 1), (["b.jpg", "1", "2"], 3)])
def test_a_row_of_another_length_is_an_error(write_csv, cells, got):
    with pytest.raises(ValueError, match=f"row 3: got {got} cells, expected 2"):
        table.read(write_csv(["image", "s"], ["a.jpg", "1"], cells), "s")


@pytest.mark.parametrize("second", ["a.jpg", "./a.jpg"])
def test_a_picture_there_twice_is_an_error(write_csv, second):
    with pytest.raises(ValueError, match="row 4: got picture .* twice, expected once; first in row 2"):
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
    with pytest.raises(ValueError, match="no such CSV file"):
        table.read(tmp_path / "gone.csv", "s")
    with pytest.raises(ValueError, match="no such CSV file"):
        table.read(tmp_path, "s")
    path = tmp_path / "t.csv"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="the file is empty"):
        table.read(path, "s")
    path.write_bytes(b"image,s\na.jpg,\xff\xfe\n")
    with pytest.raises(ValueError, match="expected UTF-8"):
        table.read(path, "s")
    path.write_text('image,s\n"a.jpg,1\n')
    with pytest.raises(ValueError, match="not a CSV"):
        table.read(path, "s")
