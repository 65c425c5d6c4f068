"""Understand a whole column of numbers: decimal signs, thousands separators, `1.2K`, words for a missing number."""

import dataclasses
import datetime
import decimal
import itertools
import math
import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from data_prep.tables.number_units import without_units

# Words that programs write for a missing number, without regard to case.
_MISSING = frozenset(
    "na n/a #n/a #na <na> nan -nan null none nil - -- – — . ? \\n missing n.a. k.a. unknown #null! #value! #div/0! "
    "#ref! #name? #num!".split()
)
# All kinds of space that part thousands: no-break, narrow, thin, figure.
_SPACES = "\u00a0\u202f\u2009\u2007 "
_POWERS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
# German and other abbreviations, Chinese and Japanese numerals.
_OTHER_POWERS = {"tsd": 10**3, "mio": 10**6, "mln": 10**6, "mrd": 10**9, "\u5343": 10**3, "\u4e07": 10**4}
_OTHER_POWERS |= {"\u842c": 10**4, "\u5104": 10**8, "\u4ebf": 10**8}
_PLAIN = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.I | re.A)
_SUFFIX = re.compile(rf"(.*[\d.,])\s?([kmb]|(?:{'|'.join(_OTHER_POWERS)})\.?)", re.I | re.A | re.S)
# Times since 1970 in ms, from 2005 to 2100: larger than any count of likes or views.
_FIRST_TIME, _LAST_TIME = 1_104_537_600_000, 4_102_444_800_000
# A text longer than this is no number.
_LONGEST = 400
_EXACT = decimal.Context(prec=_LONGEST)


@dataclasses.dataclass(frozen=True)
class _Style:
    """How numbers are written: with what sign before the fraction, and what between thousands."""

    decimal: str
    thousands: str
    said: str


_STYLES = (
    _Style(".", "", ""),
    _Style(".", ",", "a comma parts thousands"),
    _Style(",", "", "a comma is the decimal sign"),
    _Style(",", ".", "a point parts thousands, a comma is the decimal sign"),
    _Style(".", _SPACES, "a space parts thousands"),
    _Style(",", _SPACES, "a space parts thousands, a comma is the decimal sign"),
    _Style(".", "'\u2019", "an apostrophe parts thousands"),
)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: [n] float, NaN where missing; whole numbers that differ stay different and in order.
        said: what was understood, a line each.
    """

    values: list[float]
    said: list[str]


def is_missing(value: Any, more: Collection[str] = ()) -> bool:
    """Return whether a value is empty, NaN, a word for a missing number, or one of `more` (also as a number).

    Example:
        >>> [is_missing(value) for value in ("", "n/a", float("nan"), "0", "-1")], is_missing("-1.0", ["-1"])
        ([True, True, True, False, False], True)
    """
    if isinstance(value, float) and math.isnan(value):
        return True
    text = str(value).strip()
    if not text or text.casefold() in _MISSING or text in more:
        return True
    number = _exact(value) if more else None
    return number is not None and any(number == _exact(one) for one in more)


def understand(
    path: Any, name: str, rows: Sequence[int], values: Sequence[Any], missing: Collection[str], delimiter: str
) -> Numbers:
    """Turn a column's values into numbers, in the one way that fits all of them.

    Args:
        path: the table, for messages.
        name: the column.
        rows: [n], the number of each row.
        values: [n], each a text or a number, see `files.OpenTable`.
        missing: further texts that mean a missing number.
        delimiter: what stands between the values of the table; empty if nothing does.

    Raises:
        ValueError: a value that is no finite number, or no one way fits all; the row is named.
    """
    there = [index for index, value in enumerate(values) if not is_missing(value, missing)]
    values, said = without_units(path, name, rows, values, there)
    style, more = _style(path, name, rows, values, there, delimiter)
    said += more
    exact, powers = {}, set()
    for index in there:
        number, power = _parse(values[index], style)
        if number is None or not _is_finite(number):
            raise ValueError(
                f"{path}, row {rows[index]}: {name} is {_short(values[index])}, expected a finite number (of 64 bits)"
                + (f", where {style.said} as in other rows" if style.said else "")
            )
        exact[index] = number
        powers |= {power}
    if powers & set("kmb"):
        said.append(f"{name}: K, M and B mean thousands, millions and billions")
    said += [f"{name}: {power!r} means {_OTHER_POWERS[power]:,}" for power in sorted(powers & set(_OTHER_POWERS))]
    result = [math.nan] * len(values)
    stored = _in_order(set(exact.values()))
    for index, number in exact.items():
        result[index] = stored[number]
    return Numbers(result, said)


def check_no_times(path: Any, name: str, values: Sequence[float]) -> None:
    """Refuse a column of scores that holds times.

    Raises:
        ValueError: all numbers are times in milliseconds since 1970.
    """
    known = [value for value in values if not math.isnan(value)]
    if known and all(_FIRST_TIME <= value <= _LAST_TIME and value == int(value) for value in known):
        day = datetime.datetime.fromtimestamp(min(known) / 1000, datetime.UTC).date()
        raise ValueError(
            f"{path}: {name} holds times (milliseconds since 1970, from {day} on), expected scores: such numbers are "
            "almost equal to each other. To rank by time, store the days since the first picture"
        )


def smallest(name: str, values: Sequence[float]) -> list[str]:
    """Return a warning if the smallest number looks like a mark for hidden numbers: the only one below 0."""
    known = sorted(value for value in values if not math.isnan(value))
    least = known[:1]
    count = known.count(least[0]) if least else 0
    if not least or least[0] >= 0 or (count < len(known) and known[count] < 0) or count == len(known):
        return []
    return [
        f"warning: {count:,} of {len(known):,} rows hold the smallest {name}, {least[0]:g}, and no other is below 0: "
        f"if it stands for a hidden or missing number, leave these rows out with --missing={least[0]:g}"
    ]


def _style(path, name, rows, values, there, delimiter):
    """Return the style that fits all texts of a column, and what to say about it."""
    texts = [values[index] for index in there if isinstance(values[index], str)]
    unusual = [text for text in texts if not _PLAIN.fullmatch(text.replace("\u2212", "-"))]
    dots = any(re.search(r"\d\.\d", text) for text in texts)
    if not unusual and not dots:
        return _STYLES[0], []
    marks = set().union(*texts)
    styles = [style for style in _STYLES if not style.thousands or marks & set(style.thousands)]
    fitting = [style for style in styles if all(_parse(text, style)[0] is not None for text in texts)]
    if not fitting:
        bad = [index for index in there if _parse(values[index], _STYLES[0])[0] is None]
        # A value that fits no style is worse than those that disagree with each other.
        alone = [index for index in bad if all(_parse(values[index], style)[0] is None for style in _STYLES)]
        index = (alone or bad)[0]
        mixed = "" if alone else ", written as in the other rows: their commas, points or spaces contradict it"
        raise ValueError(
            f"{path}, row {rows[index]}: {name} is {_short(values[index])}, expected a finite number{mixed}"
        )
    style = fitting[0]
    others = [one for one in fitting[1:] if any(_parse(text, one)[0] != _parse(text, style)[0] for text in texts)]
    if not others:
        return style, [f"{name}: {style.said}"] if style.said else []
    index = next(i for i in there if _parse(values[i], others[0]) != _parse(values[i], style))
    readings = f"{_parse(values[index], style)[0]} or {_parse(values[index], others[0])[0]}"
    if delimiter == ",":
        return style, [f"{name}: {style.said}"] if style.said else []
    # Where commas part the values, numbers have points; elsewhere nothing tells, least of all where semicolons do. If
    # both readings give the same order, the choice changes no ranking.
    if style.thousands or delimiter == ";" or not _same_order(texts, style, others[0]):
        raise ValueError(
            f"{path}, row {rows[index]}: {name} is {_short(values[index])}, which can mean {readings}: expected "
            "numbers without thousands separators, or one that tells, such as 0,5 or 1,234,567"
        )
    return style, [f"{name}: a point is the decimal sign ({values[index]} could mean {readings}; taken as the first)"]


def _same_order(texts, style, other):
    """Return whether two styles read texts as numbers in the same order."""
    pairs = sorted((_parse(text, style)[0], _parse(text, other)[0]) for text in texts)
    return all((a < c) == (b < d) and b <= d for (a, b), (c, d) in itertools.pairwise(pairs))


def _parse(value, style):
    """Return the exact number that a value means in a style, or None, and its suffix."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None, ""
    if not isinstance(value, str):
        return _exact(value), ""
    text = value.strip().replace("\u2212", "-")
    if len(text) > _LONGEST:
        return None, ""
    suffix = ""
    if style.thousands in (".", "", ",", _SPACES) and (found := _SUFFIX.fullmatch(text)):
        text, suffix = found[1], found[2].lower().removesuffix(".")
    sign = text[:1] if text[:1] in "+-" else ""
    whole, fraction_sign, fraction = text[len(sign) :].partition(style.decimal)
    if style.thousands and any(mark in whole for mark in style.thousands):
        groups = re.split(f"[{re.escape(style.thousands)}]", whole)
        # Groups of three; in India, of two before the last.
        inner = {len(group) for group in groups[1:-1]}
        if not (1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3 and (inner <= {3} or inner <= {2})):
            return None, ""
        if groups[0].startswith("0"):
            return None, ""
        whole = "".join(groups)
    text = sign + whole + ("." if fraction_sign else "") + fraction
    if not _PLAIN.fullmatch(text):
        return None, ""
    return _EXACT.create_decimal(text) * (_POWERS | _OTHER_POWERS)[suffix], suffix


def _exact(value):
    if isinstance(value, str):
        return _parse(value, _STYLES[0])[0]
    try:
        return None if isinstance(value, bool) else Decimal(value)
    except (TypeError, ValueError, decimal.InvalidOperation):
        return None


def _is_finite(number):
    return number.is_finite() and math.isfinite(float(number))


def _in_order(numbers):
    """Map each number to the nearest of 64 bits; whole numbers that differ stay different and in order."""
    stored, last = {}, -math.inf
    for number in sorted(numbers):
        value = float(number)
        if value <= last and number == number.to_integral_value():
            value = math.nextafter(last, math.inf)
        stored[number] = value
        last = max(last, value)
    return stored


def _short(value):
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
