"""Delimited text: find its encoding, what stands between its values, and its header, then read it row by row."""

import codecs
import collections
import contextlib
import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import charset_normalizer

NAMES = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
# Encodings without a mark, the likelier first where the bytes do not tell.
_LEGACY = "cp1252 cp1251 gb18030 cp932 cp949 big5 cp1250 cp1253 cp1254 cp1255 cp1256 mac_roman koi8_r cp850".split()
# Letters and signs of Western languages.
_LETTERS = frozenset(map(chr, {*range(0xDF, 0x100), 0xAA, 0xBA, 0x153, 0x161, 0x17E} - {0xF0, 0xF7, 0xFE}))
_SIGNS = frozenset(
    "\u20ac\u00a3\u00a5\u00a7\u00b0\u00a9\u00ab\u00bb\u00a1\u00bf\u00a0\u2022\u2026\u2013\u2014"
) | frozenset(map(chr, range(0x2018, 0x201F)))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
# Bytes of the lines with unusual letters, from which an encoding without a mark is told.
_SAMPLE = 1 << 16
# Longest cell, in characters. Python's own limit is 131,072.
_MAX_CELL = 1 << 26


class Text:
    """A text file whose encoding is known.

    Attributes:
        encoding: name of the encoding, for people; "UTF-8" with and without a mark.
        guessed: whether the encoding is a guess.

    Raises:
        ValueError: the file is not text.
    """

    def __init__(self, path: Path):
        self._path = path
        self._codec, self._errors, self.guessed = _encoding(path)
        name = self._codec.removesuffix("-sig")
        self.encoding = name.upper() if name.startswith("utf") else name
        if self._errors == "replace":
            self.encoding += " with damaged letters"
        elif self.guessed:
            self.encoding += " (guessed)"

    def open(self) -> io.TextIOWrapper:
        return self._path.open(newline="", encoding=self._codec, errors=self._errors)

    @contextlib.contextmanager
    def top(self) -> Iterator[io.TextIOWrapper]:
        """Open the file to look at its first lines.

        Raises:
            ValueError: its letters are damaged there.
        """
        try:
            with self.open() as file:
                yield file
        except UnicodeDecodeError as error:
            raise ValueError(f"{self._path}: not {self.encoding} text: save the table as UTF-8") from error

    def start(self) -> str:
        """Return the first character that is no space, or nothing."""
        with self.top() as file:
            return file.read(1 << 16).lstrip().lstrip("\ufeff")[:1]


@dataclasses.dataclass(frozen=True)
class Header:
    """Where a header was found, and how its row is written."""

    header: list[str]
    number: int
    delimiter: str
    quote: str


def find_header(text: Text, columns: Sequence[str], most: int) -> Header:
    """Find the first row that has all columns, for any delimiter; else the row that looks most like a header."""
    with text.top() as file:
        lines = [line[:_CHUNK] for line in itertools.islice(file, most)]
    said = re.match(r"\ufeff?[\"']?sep=(.)", lines[0], re.I) if lines else None
    best, score = Header([], 1, ",", '"'), (0, 0)
    for delimiter in said[1] if said else NAMES:
        for quote in "\"'":
            for number, cells in _records(lines, delimiter, quote):
                # The lines of `sep=` and such are no header.
                if said and number == 1:
                    continue
                found = Header(cells, number, delimiter, quote)
                if set(columns) <= set(cells):
                    return found
                # A row of one cell, such as a title, is the worst header.
                rank = len(set(columns) & set(cells)), sum(map(bool, cells)) if len(cells) > 1 else bool(cells)
                if rank > score:
                    best, score = found, rank
    return best


def likely_header(text: Text, most: int) -> Header:
    """Return the first row that is as wide as most rows, for the delimiter that parts most rows alike."""
    with text.top() as file:
        lines = [line[:_CHUNK] for line in itertools.islice(file, most)]
    said = re.match(r"\ufeff?[\"']?sep=(.)", lines[0], re.I) if lines else None
    best, score = Header([], 1, ",", '"'), (0, 0)
    for delimiter in said[1] if said else NAMES:
        records = [(number, cells) for number, cells in _records(lines, delimiter, '"') if any(cells)]
        records = records[1:] if said else records
        widths = collections.Counter(len(cells) for _, cells in records)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        # Cells that most rows agree on; text without the delimiter has one a row.
        if (rank := (count if width > 1 else 0, width)) > score or not best.header:
            number, cells = next((one for one in records if len(one[1]) == width), (1, []))
            best, score = Header(cells, number, delimiter, '"'), rank
    if best.header and all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in best.header):
        return dataclasses.replace(best, header=[cell[1:-1] for cell in best.header], quote="'")
    return best


def rows(path: Path, text: Text, header: Header, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each row below the header and its values in `columns`."""
    places = {name: header.header.index(name) for name in columns}
    width, needed = len(header.header), max(places.values(), default=-1) + 1
    # Spreadsheets leave out empty cells at the end of a row, under columns without a name.
    while width > needed and not header.header[width - 1]:
        width -= 1
    number = header.number
    try:
        with text.open() as file:
            for number, values in _records(file, header.delimiter, header.quote, strict=True):
                if number <= header.number or not any(values):
                    continue
                if len(values) < width or any(values[len(header.header) :]):
                    raise ValueError(
                        f"{path}, row {number}: got {len(values)} values, expected {len(header.header)} as in the "
                        "header"
                        + "; is there a delimiter too many, or a text with one and without quotes?"
                        * (len(values) > len(header.header))
                    )
                yield number, {name: values[place] for name, place in places.items()}
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, after row {number}: not {text.encoding} text: save the table as UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{path}, after row {number}: not a CSV: {error}") from error


def _records(lines, delimiter, quote, strict=False):
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=strict, skipinitialspace=delimiter != "\t")
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, [cell.strip().strip("\ufeff") for cell in cells]
    except csv.Error:
        if strict:
            raise


def _encoding(path):
    """Return the codec of a file, how it treats errors, and whether it is a guess."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec, "strict", False
    if b"\0" in head:
        # Text in 16 bits has its zeros on one side.
        codec = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        letters = head.decode(codec, errors="replace")
        if not all(letter.isprintable() or letter in "\t\r\n" for letter in letters[:-1]):
            raise ValueError(f"{path} is not text and no table that is known: save it as CSV, Excel or Parquet")
        return codec, "strict", True
    if _is_utf8(path):
        return "utf-8", "strict", False
    sample = _unusual_lines(path)
    as_utf8 = sample.decode("utf-8", errors="replace")
    if sum(letter > "\x7f" for letter in as_utf8) > 2 * as_utf8.count("\ufffd"):
        return "utf-8", "replace", True
    found = list(charset_normalizer.from_bytes(sample, cp_isolation=_LEGACY))
    best = min(found, key=lambda one: (round(one.chaos, 2), -round(one.coherence, 2), _place(one)), default=None)
    codec = "cp1252" if best is None else _LEGACY[_place(best)]
    # A few letters are too little for statistics, which cannot tell cp1252 from its neighbours either.
    western = _western(sample, b"\r" in head and b"\n" not in head)
    if western and (western != "cp1252" or codec not in ("cp1250", "cp1254")):
        return western, "strict", True
    return codec, "replace" if best is None else "strict", True


def _western(sample, returns):
    """Return the encoding in which a sample is of Western languages, or None; Macs end lines with returns."""
    for codec in ("mac_roman", "cp1252") if returns else ("cp1252", "mac_roman", "cp850"):
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        words = "".join(word for word in re.findall(r"[^\W\d_]{2,}", text) if not word.isascii())
        letters = [letter for letter in words if letter > "\x7f"]
        # Inside a word no letter is larger than the one before, and no sign but an apostrophe stands.
        odd = re.search(
            r"[a-z\u00df-\u00ff][\u00c0-\u00de\u0152\u0160\u0178\u017d]|[^\W\d_][^\w\s\x00-\x7f\u2019\xad][^\W\d_]",
            text,
        )
        signs = {sign for sign in re.sub(r"\w", "", text) if sign > "\x7f"}
        if not odd and signs <= _SIGNS and set("".join(letters).lower()) <= _LETTERS and 2 * len(letters) <= len(words):
            return codec
    return None


def _place(found):
    return min(_LEGACY.index(name) for name in found.could_be_from_charset if name in _LEGACY)


def _is_utf8(path):
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _unusual_lines(path):
    found, size = [], 0
    with path.open("rb") as file:
        while size < _SAMPLE and (line := file.readline(_SAMPLE)):
            if not line.isascii():
                found.append(line)
                size += len(line)
    return b"".join(found)
