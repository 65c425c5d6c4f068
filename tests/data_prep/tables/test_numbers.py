"""Columns of numbers as people write them: one way that fits the whole column, or the row is named."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.tables import numbers


def understand(values, delimiter=";", missing=()):
    return numbers.understand("t", "likes", range(2, 2 + len(values)), values, missing, delimiter)


@pytest.mark.parametrize(
    "texts, delimiter, expected, said",
    [
        (["1", "2.5", "-3e2", "+.5"], ";", [1, 2.5, -300, 0.5], ""),
        (["1,5", "12", "0,25"], ";", [1.5, 12, 0.25], "a comma is the decimal sign"),
        (["1.234,5", "7"], ";", [1234.5, 7], "a point parts thousands, a comma is the decimal sign"),
        (["1.234", "1.234.567"], ";", [1234, 1234567], "a point parts thousands"),
        (["1,234", "999"], ",", [1234, 999], "a comma parts thousands"),
        (["1,234", "12,345.5"], "", [1234, 12345.5], "a comma parts thousands"),
        (["1,23,456", "99"], "\t", [123456, 99], "a comma parts thousands"),
        (["1\u202f234", "12\u00a0345", "1 000 000,5"], ";", [1234, 12345, 1000000.5], "a space parts thousands"),
        (["1'234", "5"], ";", [1234, 5], "an apostrophe parts thousands"),
        (["1.2K", "3m", "999", "2 B"], ",", [1200, 3e6, 999, 2e9], "K, M and B mean"),
        (["1,2K", "3"], ";", [1200, 3], "a comma is the decimal sign"),
        (["\u22121", "4.125"], ",", [-1, 4.125], ""),
        (["4.125", "3.250"], "\t", [4.125, 3.25], "could mean 4.125 or 4125"),
        (["12,50 \u20ac", "7 \u20ac"], ";", [12.5, 7], "'12,50 \u20ac' is read as 12,50"),
        (["$1,234.50", "$ 7.00"], ",", [1234.5, 7], "'$1,234.50' is read as 1,234.50"),
        (["12 %", "3.5%"], ",", [12, 3.5], "'12 %' is read as 12"),
        (["1 like", "1,2k likes"], ";", [1, 1200], "'1 like' is read as 1, here and in all rows"),
        (["4/5", "5 / 5", "1 of 5"], ",", [4, 5, 1], "'4/5' is read as 4"),
        (["1,2 Tsd.", "3 Mio."], ";", [1200, 3e6], "likes: 'tsd' means 1,000"),
        (["1.2\u4e07", "3"], ",", [12000, 3], "means 10,000"),
        (['="7"', "'8", "9"], ",", [7, 8, 9], ""),
    ],
)
def test_a_column_is_read_as_a_whole(texts, delimiter, expected, said):
    found = understand(texts, delimiter)
    assert found.values == expected and said in "; ".join(found.said) and bool(said) == bool(found.said)


@pytest.mark.parametrize(
    "values, delimiter, message",
    [
        (["1", "lots"], ",", "row 3: likes is 'lots', expected a finite number"),
        (["1,5", "1,234,567"], ";", "row 2: likes is '1,5', .* contradict it"),
        (["999", "1,234"], "\t", "row 3: likes is '1,234', which can mean 1234 or 1.234"),
        (["1.234", "999"], ";", "row 2: likes is '1.234', which can mean 1.234 or 1234"),
        (["1", "inf"], ",", "row 3"),
        (["1", True], "", "row 3: likes is True"),
        ([1.0, math.inf], "", "row 3: likes is inf"),
        (["1", "9" * 1000], ",", "row 3: likes is '999"),
        (["1e9999", "1"], ",", "row 2: likes is '1e9999'"),
        (["1", "2", "3%"], ",", "row 4: likes is '3%', and '1' in row 2: expected a finite number with the same unit"),
        (["1 \u20ac", "$2", "3 \u20ac"], ",", r"row 3: likes is '\$2', and '1 \u20ac' in row 2"),
        (["12/3", "11/3"], ",", "row 2: likes is '12/3', expected a finite number"),
        # A workbook's texts: 850 is either more than 1.234, or less.
        (["1.234", "850"], "", "row 2: likes is '1.234', which can mean 1.234 or 1234"),
    ],
)
def test_what_does_not_fit_is_named(values, delimiter, message):
    with pytest.raises(ValueError, match=message):
        understand(values, delimiter)


def test_missing_numbers():
    words = ["", "NA", "n/a", "-", "null", "\\N", "#N/A", float("nan")]
    found = understand([*words, "-1", "-1.0", 5], missing=("-1",))
    assert [math.isnan(value) for value in found.values] == [True] * 10 + [False]


def test_a_lone_negative_number_is_pointed_out():
    assert "2 of 4 rows hold the smallest likes, -1" in numbers.smallest("likes", [-1, -1, 0, 7])[0]
    for values in ([0, 1], [-2, -1, 3], [-1, -1], [], [math.nan]):
        assert numbers.smallest("likes", values) == []


def test_times_are_refused():
    with pytest.raises(ValueError, match="holds times .milliseconds since 1970, from 2023-11-14 on"):
        numbers.check_no_times("t", "likes", [1700000000002.0, math.nan, 1700000000001.0])
    numbers.check_no_times("t", "likes", [1700000000002.0, 5.0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_whole_numbers_keep_their_order(values):
    stored = understand(values).values
    for a, x in zip(values, stored, strict=True):
        assert x == pytest.approx(a, rel=1e-14)
        for b, y in zip(values, stored, strict=True):
            assert (a < b) == (x < y)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=10), st.sampled_from(["{:,.2f}", "{:.2f}", "{:.1f}"]))
def test_what_python_formats_is_read_back(values, form):
    texts = [form.format(value) for value in values]
    assert understand(texts, ",").values == [float(text.replace(",", "")) for text in texts]
    if any("." in text for text in texts):
        swapped = [text.translate({ord(","): ".", ord("."): ","}) for text in texts]
        assert understand(swapped).values == [float(text.replace(",", "")) for text in texts]
