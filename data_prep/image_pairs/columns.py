"""Which column of a table of pairs is what: given by name, or found by their usual names."""

import dataclasses
from pathlib import Path

from data_prep.image_scores.guess import MOST, share_of_files
from data_prep.picture_names import PictureNames
from data_prep.tables import files

_COUNTS = ("left_clicks", "left_views", "right_clicks", "right_views")


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of a table. Exactly one of `winner`, `label`, `votes` and `clicks` is there.

    Attributes:
        left: column of left pictures; empty for a table of variants.
        right: column of right pictures.
        picture: column of pictures, in a table with a row for each variant of a test; else None.
        winner: column that says left, right, tie or a picture's name.
        label: column of chances that left is better.
        votes: columns of votes for left and right; or ().
        clicks: columns of clicks and views of left and right, four, or two in a table of variants; or ().
        group: column of groups of pictures.
        split: column of splits.
        fold_by: columns of the units of the left and the right picture; or ().
        test: column of tests.
        judge: column of who chose.
        how: column that says "random" where the pair was drawn at random, as `lena-jax judge` writes it.
    """

    left: str = ""
    right: str = ""
    picture: str | None = None
    winner: str | None = None
    label: str | None = None
    votes: tuple[str, ...] = ()
    clicks: tuple[str, ...] = ()
    group: str | None = None
    split: str | None = None
    fold_by: tuple[str, ...] = ()
    test: str | None = None
    judge: str | None = None
    how: str | None = None

    def names(self) -> list[str]:
        """Return all columns, each once."""
        single = (self.left, self.right, self.picture, self.winner, self.label, self.group, self.split, self.test)
        return [name for name in dict.fromkeys((*single, *self.counted(), *self.fold_by, self.judge, self.how)) if name]

    def counted(self) -> list[str]:
        """Return the columns of numbers."""
        return [name for name in (self.label, *self.votes, *self.clicks) if name]


def find(
    path: Path,
    folder: Path | None = None,
    *,
    left: str | None = None,
    right: str | None = None,
    picture: str | None = None,
    winner: str | None = None,
    label: str | None = None,
    votes: tuple[str | None, ...] = (),
    clicks: tuple[str | None, ...] = (),
    group: str | None = None,
    split: str | None = None,
    fold_by: str | None = None,
    test: str | None = None,
    judge: str | None = None,
) -> Columns:
    """Find the columns that are not given by their usual names: `left`, `right`, and what says which is better.

    Without columns `left` and `right`, the pictures are in the two columns of which most values are files in the
    folder. What says which is better is the first of `winner`, `label`, `left_votes` with `right_votes`, and the four
    `left_clicks`, `left_views`, `right_clicks`, `right_views`. A unit `fold_by` is read from `left_X` and `right_X` if
    the table has them, else from one column for both pictures.

    Args:
        path: the table.
        folder: the folder of pictures; None if it is not known.
        left: column of left pictures; default `left`.
        right: column of right pictures; default `right`.
        picture: column of pictures of a table of variants; it needs `test` and two `clicks`.
        winner, label, votes, clicks: what says which is better; at most one of them.
        group, split, fold_by, test, judge: see `Columns`; `judge` and `how` are found by their names.

    Raises:
        ValueError: a column is missing, or nothing or several things say which picture is better.
    """
    names, rows = (top := files.top(path)).names, top.rows
    votes, clicks = (tuple(one for one in some if one) for some in (votes, clicks))
    given = {"winner": winner, "label": label, "votes": votes, "clicks": clicks}
    known = [name for name, value in given.items() if value]
    if len(known) > 1:
        raise ValueError(f"got columns for {' and '.join(known)}, expected one way to say which picture is better")
    if picture is not None:
        if not test or len(clicks) != 2:
            raise ValueError(
                "a table with a row for each variant: got no --test or not both --left_clicks and --left_views, "
                "expected the columns of tests, clicks and views"
            )
        found = Columns(picture=picture, clicks=clicks)
    else:
        if not known:
            if "winner" in names:
                given["winner"] = "winner"
            elif "label" in names:
                given["label"] = "label"
            elif {"left_votes", "right_votes"} <= set(names):
                given["votes"] = ("left_votes", "right_votes")
            elif set(_COUNTS) <= set(names):
                given["clicks"] = _COUNTS
            else:
                raise ValueError(
                    f"{path}: got the columns {', '.join(names[:50])}, expected one that says which picture is better: "
                    "--winner, --label, --left_votes and --right_votes, or --left_clicks, --left_views, --right_clicks "
                    "and --right_views"
                )
        for name, count in (("votes", 2), ("clicks", 4)):
            if given[name] and len(given[name]) != count:
                raise ValueError(f"got {len(given[name])} columns of {name}, expected {count}: those of left and right")
        if left is None and right is None and folder is not None and not {"left", "right"} <= set(names):
            left, right = _sides(path, folder, [name for name in names if name != given["winner"]], rows)
        found = Columns(left=left or "left", right=right or "right", **given)
    units: tuple[str, ...] = ()
    if fold_by:
        sides = (f"left_{fold_by}", f"right_{fold_by}")
        units = sides if picture is None and set(sides) <= set(names) else (fold_by, fold_by)
    if judge is None and picture is None and "judge" in names:
        judge = "judge"
    how = "how" if found.winner and "how" in names else None
    found = dataclasses.replace(found, group=group, split=split, fold_by=units, test=test, judge=judge, how=how)
    for name in found.names():
        files.find_column(path, names, name)
    return found


def _sides(path, folder, names, rows):
    """Return the two columns of pictures."""
    known = PictureNames(folder)
    shares = {name: share_of_files([row[name] for row in rows], known) for name in names}
    sides = [name for name in names if shares[name] > MOST]
    if len(sides) != 2:
        raise ValueError(
            f"{path}: got no columns left and right, and {len(sides)} columns of files in {folder} "
            f"({', '.join(sides) or 'none'}), expected two: say which with --left=COLUMN and --right=COLUMN"
        )
    return sides
