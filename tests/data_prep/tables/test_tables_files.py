"""Tables of every kind are told by content: what they are, where the header is, and what the cells hold."""

import datetime
import gzip
import json
import zipfile

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from data_prep.tables import files

ROWS = [(2, {"image": "caf\u00e9.jpg", "likes": "1"}), (3, {"image": "b.jpg", "likes": "2"})]


def read(path, columns=("image", "likes")):
    found = files.open_table(path, columns)
    return found.kind, list(found.rows)


@pytest.mark.parametrize(
    "text, encoding, kind",
    [
        ("image,likes\ncaf\u00e9.jpg,1\nb.jpg,2\n", "utf-8", "commas between values, UTF-8"),
        ("image,likes\rcaf\u00e9.jpg,1\rb.jpg,2\r", "utf-8", "commas between values, UTF-8"),
        ("image;x;likes\ncaf\u00e9.jpg;,;1\nb.jpg;;2\n", "utf-8-sig", "';' between values, UTF-8"),
        ("likes\timage\n1\tcaf\u00e9.jpg\n2\tb.jpg\n", "utf-16", "tabs between values, UTF-16"),
        ("image|likes\ncaf\u00e9.jpg|1\nb.jpg|2\n", "utf-16-le", "'|' between values, UTF-16-LE (guessed)"),
        ("image,likes\ncaf\u00e9.jpg,1\nb.jpg,2\n", "utf-32", "commas between values, UTF-32"),
        ("image,likes\ncaf\u00e9.jpg,1\nb.jpg,2\n", "cp1252", "commas between values, cp125"),
        ("'image';'likes'\n'caf\u00e9.jpg';'1'\n'b.jpg';2\n", "utf-8", "';' between values"),
        ("image,likes,\ncaf\u00e9.jpg,1,\nb.jpg,2\n", "utf-8", "commas"),
        ("image,likes\ncaf\u00e9.jpg,1,,\nb.jpg,2,\n", "utf-8", "commas"),
        (f"image,likes,x\ncaf\u00e9.jpg,1,{'y' * 200_000}\nb.jpg,2,\n", "utf-8", "commas"),
    ],
)
def test_delimiter_and_encoding_are_found(tmp_path, text, encoding, kind):
    path = tmp_path / "table"
    path.write_bytes(text.encode(encoding))
    found, rows = read(path)
    assert kind in found and rows == ROWS


@pytest.mark.parametrize("before", ["\n", "sep=,\n", '"sep=,"\n', "Likes of 2024\n\n"])
def test_lines_above_the_header_are_passed_over(tmp_path, before):
    path = tmp_path / "table.csv"
    path.write_text(f"{before}image,likes\ncaf\u00e9.jpg,1\nb.jpg,2\n", encoding="utf-8")
    found, rows = read(path)
    lines = before.count("\n")
    assert rows == [(number + lines, row) for number, row in ROWS] and f"header in row {lines + 1}" in found


@pytest.mark.parametrize(
    "encoding, names",
    [
        (
            "cp1251",
            [
                "\u043a\u043e\u0448\u043a\u0430 \u0438 \u0441\u043e\u0431\u0430\u043a\u0430.jpg",
                "\u0434\u043e\u043c.jpg",
            ],
        ),
        ("gbk", ["\u6211\u4eec\u7684\u7167\u7247.jpg", "\u5c0f\u72d7.jpg"]),
        ("cp932", ["\u5199\u771f\u4e00\u89a7.jpg", "\u732b\u306e\u5199\u771f\u3067\u3059.jpg"]),
    ],
)
def test_letters_of_other_scripts_are_found(tmp_path, encoding, names):
    path = tmp_path / "table.csv"
    path.write_bytes(("image,likes\n" + "".join(f"{name},1\n" for name in names)).encode(encoding))
    assert [row["image"] for _, row in read(path)[1]] == names


@pytest.mark.parametrize(
    "encoding, end, text",
    [
        ("mac_roman", "\r", "Gef\u00e4llt mir"),
        ("mac_roman", "\n", "caf\u00e9"),
        ("cp1252", "\n", "12,50 \u20ac"),
        ("cp1252", "\r\n", "l\u2019\u00e9t\u00e9 \u2013 \u00dcber"),
        ("cp850", "\r\n", "Gr\u00f6\u00dfe"),
        ("cp1250", "\r\n", "\u0161kola"),
    ],
)
def test_a_single_unusual_word_is_enough(tmp_path, encoding, end, text):
    path = tmp_path / "table.csv"
    path.write_bytes(end.join(["image;likes", f"{text};1", "b;2", ""]).encode(encoding))
    assert read(path)[1][0][1]["image"] == text


def test_one_damaged_letter_leaves_the_others(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes("image,likes,x\ncaf\u00e9.jpg,1,\u00fcber\nb.jpg,2,".encode() + b"\xff\n")
    found, rows = read(path)
    assert rows == ROWS and "damaged letters" in found


def test_the_sheet_with_the_columns_is_read(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["read me"])
    sheet = book.create_sheet("data")
    for row in (
        [],
        ["image", "likes"],
        ["a.jpg", 1],
        [],
        ["b.jpg", 2.5],
        ["c.jpg", datetime.date(2020, 1, 2)],
        ["d.jpg"],
    ):
        sheet.append(row)
    book.save(tmp_path / "table.xlsx")
    found, rows = read(tmp_path / "table.xlsx")
    values = [1, 2.5, datetime.date(2020, 1, 2), ""]
    assert found == "workbook, sheet 'data' of 2, header in row 2"
    assert [(number, row["likes"]) for number, row in rows] == list(zip((3, 5, 6, 7), values, strict=True))
    with pytest.raises(ValueError, match="got column 'like', expected one of image, likes; did you mean 'likes'"):
        read(tmp_path / "table.xlsx", ["image", "like"])
    (tmp_path / "table.xlsx").rename(tmp_path / "table.csv")
    with pytest.raises(ValueError, match="an Excel workbook under a name of plain text: rename it"):
        read(tmp_path / "table.csv")


def test_the_longest_sheet_is_the_table_and_hidden_rows_are_said(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["a", "wide", "sheet", "of", "notes"])
    for name, count in (("old", 2), ("new", 4), ("hidden", 9)):
        sheet = book.create_sheet(name)
        sheet.append(["Likes of a year"])
        sheet.append(["image", "likes"])
        for number in range(count):
            sheet.append([f"{number}.jpg", number, "a note"])
    sheet.sheet_state = "hidden"
    for row in (4, 5):
        book["new"].row_dimensions[row].hidden = True
    book.save(tmp_path / "table.xlsx")
    found = files.top(tmp_path / "table.xlsx")
    assert found.names == ["image", "likes"] and found.numbers == [3, 4, 5, 6]
    kind, rows = read(tmp_path / "table.xlsx")
    assert kind == (
        "workbook, sheet 'new' of 4, header in row 2; it is the longest with these columns, 'old', 'hidden' not read; "
        "its 2 hidden rows are read as well"
    )


def test_json_lines_and_lists_are_read(tmp_path):
    objects = [{"image": "a.jpg", "likes": 2**60 + 1}, {"likes": None, "image": " b.jpg", "x": {}}]
    for text, numbers in (("\n".join(map(json.dumps, objects)), (1, 2)), (json.dumps(objects), (1, 2))):
        (tmp_path / "t").write_text(text)
        assert read(tmp_path / "t") == (
            "JSON",
            [(numbers[0], {"image": "a.jpg", "likes": 2**60 + 1}), (numbers[1], {"image": "b.jpg", "likes": ""})],
        )


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"image": {"0": "a"}, "likes": {}}', "row 1: image is a JSON dict"),
        ('{"image": "a"}', "got column 'likes', expected one of image"),
        ('{"image": "a", "likes": 1}\n[1]', "row 2: got list in JSON"),
        ('{"image": "a", "likes": 1}\n{"image"', "row 2: not JSON lines"),
        ("[" * 100_000, "not JSON lines"),
    ],
)
def test_other_json_is_named(tmp_path, text, message):
    (tmp_path / "t").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t")


def test_what_is_no_table_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", "image,likes\n")
    for content, message in (
        (b"", "an empty file"),
        (b"<html><table>", "a web page"),
        (gzip.compress(b"image,likes\n"), "a gzip archive"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "a JPEG picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a workbook that cannot be read"),
        ((tmp_path / "t.zip").read_bytes(), "a ZIP archive without a workbook"),
        (b"PK\3\4" + bytes(30), "damaged workbook or ZIP"),
        (b"\x01\x00\x02\x00\x80\x00", "is not text"),
        (b'image,likes\n"a.jpg,1\n', "after row 1: not a CSV"),
        (b"image,likes,x\na.jpg,1\n", "row 2: got 2 values, expected 3"),
        (b"Image,likes\n", "got column 'image', expected one of Image, likes; did you mean 'Image'"),
    ):
        (tmp_path / "t").write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            read(tmp_path / "t")
        assert str(tmp_path / "t") in str(caught.value) and "\n" not in str(caught.value)


def test_parquet_keeps_whole_numbers(tmp_path):
    table = pyarrow.table({"image": ["a", "b", "c"], "likes": pyarrow.array([2**60, None, 2**60 + 1], pyarrow.int64())})
    pyarrow.parquet.write_table(table, tmp_path / "t")
    assert [row["likes"] for _, row in read(tmp_path / "t")[1]] == [2**60, "", 2**60 + 1]
