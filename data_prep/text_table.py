"""Lay out rows of text as an aligned table."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equal length as lines: the first column aligned left, the others right.

    Example:
        >>> print(align([["split", "pictures"], ["train", "1,200"], ["test", "80"]]))
        split  pictures
        train     1,200
        test         80
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join(lines)
