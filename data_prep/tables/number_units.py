"""What stands around the numbers of a column: `12,50 €`, `12 %`, `1,234 likes`, `4/5`, `="7"`."""

import collections
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

_CODES = "US\\$|EUR|USD|GBP|CHF|JPY|CAD|AUD|SEK|NOK|DKK|PLN|CZK|INR|CNY|Fr\\."
_AROUND = re.compile(
    rf"(?P<before>[^\w\s.,'\u2019+\-\u2212/%]|{_CODES}|)\s*"
    # K, M, B and the like belong to the number, unless they begin a word.
    r"(?P<number>[+\-\u2212]?[\d.,](?:[\d.,'\u2019\s]*[\d.,])?(?:\s?(?:(?:[kmb]|tsd|mio|mrd|mln)\b\.?|[\u5343\u4e07\u842c\u5104\u4ebf]))?)\s*"
    r"(?P<after>%|[^\W\d_][^\W\d_. ]{0,20}|[^\w\s.,+\-\u2212/%'\u2019]|"
    r"(?:/|\b(?:out of|of|von|sur|de) )\s*[1-9]\d{0,2}|)",
    re.I,
)
# Letters of numbers that have nothing around them; a longer text is no number.
_BARE, _LONGEST = frozenset("0123456789.,+-eEkKmMbB \u00a0\u202f\u2009\u2007\u2212"), 80
# Spreadsheets and exports protect numbers from being changed with these.
_PROTECTED = re.compile(r"(?:=\"(?P<one>[^\"]*)\"|'(?P<other>[^']+))")


def without_units(path: Any, name: str, rows: Sequence[int], values: Sequence[Any], there: Sequence[int]):
    """Take away what all values of a column have around their numbers.

    Args:
        path: the table, for messages.
        name: the column.
        rows: [n], the number of each row.
        values: [n], each a text or a number.
        there: the indices of the values that are not missing.

    Returns:
        ([n] values, lines on what was taken away). Where values are no numbers with a unit, they are as they were.

    Raises:
        ValueError: some values have a unit, and others another one or none; the row is named.
    """
    texts = [values[index] for index in there if isinstance(values[index], str)]
    if set().union(*texts) <= _BARE:
        return values, []
    bare = list(values)
    for index in there:
        if isinstance(values[index], str) and (found := _PROTECTED.fullmatch(values[index].strip())):
            bare[index] = (found["one"] or found["other"] or "").strip()
    units = {index: _split(bare[index]) for index in there}
    if not all(units.values()) or not any(unit for unit, _ in units.values()):
        return bare, []
    counts = collections.Counter(unit for unit, _ in units.values())
    wanted = max(counts, key=lambda unit: (counts[unit], not unit))
    first = next(index for index in there if units[index][0] == wanted)
    number = units[first][1]
    for index in there:
        unit, other = units[index]
        if unit != wanted:
            raise ValueError(
                f"{path}, row {rows[index]}: {name} is {values[index]!r}, and {values[first]!r} in row {rows[first]}: "
                "expected a finite number with the same unit in all rows, or with none"
            )
        if wanted.startswith("/") and not _at_most(other, wanted):
            return bare, []
    for index in there:
        bare[index] = units[index][1]
    text = str(values[first]).strip()
    return bare, [f"{name}: {text!r} is read as {number}, here and in all rows"]


def _split(value: Any) -> tuple[str, str] | None:
    """Return the unit and the number of a text; None if it is no number with a unit."""
    if not isinstance(value, str):
        return "", value
    found = _AROUND.fullmatch(value.strip()) if len(value) <= _LONGEST else None
    if found is None:
        return None
    before, after = found["before"].casefold(), re.sub(r"\s", "", found["after"].casefold())
    if before and not (unicodedata.category(before[0]) in ("Sc", "Lu", "Ll") or before in "~\u2248"):
        return None
    if fraction := re.fullmatch(r"(?:/|outof|of|von|sur|de)(\d+)", after):
        after = f"/{fraction[1]}"
    # One like, two likes.
    return before + (after if len(after) < 3 else after.removesuffix("s")), found["number"]


def _at_most(number: str, unit: str) -> bool:
    """Return whether a part, as in 4/5, is not more than its whole: 12/3 is a day."""
    return float(re.sub(r"[^\d.]", "", number.replace(",", ".")) or "nan") <= float(unit[1:])
