"""The table of `image_scores`: each picture's scores, group and split, every value checked."""

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path

from data_prep import picture_names
from data_prep.image_scores import transforms
from data_prep.picture_folder import check_name
from data_prep.tables import files, numbers

SPLITS = ("train", "validation", "test")
TRANSFORMS = ("raw", "rate", "percentile")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One usable row.

    Attributes:
        number: the row's number, see `files.open_table`.
        id: the picture's path.
        score: the transformed score.
        group: only pictures of one group are compared.
        split: one of `SPLITS`.
        unit: pictures of one unit must stay on one side of a split; or empty.
        weight: how much the picture counts in training.
        others: further scores, in the order of `Table.others`; NaN where the table has none.
    """

    number: int
    id: str
    score: float
    group: str
    split: str
    unit: str = ""
    weight: float = 1.0
    others: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Table:
    """The content of a table.

    Attributes:
        rows: the usable rows, in the table's order.
        total: how many rows the table has.
        without_score: numbers of the rows left out because they have no score.
        without_group: numbers of the rows left out because they have no group.
        without_views: numbers of the rows left out because they have no views.
        others: names of the further scores.
        priors: the prior of each group, for the transform "rate".
        kind: what the file was found to be.
        said: what was found and is worth a line to the user: the kind unless it is plain, how numbers are written, and
            warnings.
    """

    rows: tuple[Row, ...]
    total: int
    without_score: tuple[int, ...]
    without_group: tuple[int, ...]
    without_views: tuple[int, ...] = ()
    others: tuple[str, ...] = ()
    priors: dict[str, transforms.Prior] = dataclasses.field(default_factory=dict)
    kind: str = ""
    said: tuple[str, ...] = ()


def read(
    path: Path,
    score: str,
    image_column: str = "image",
    group: str | None = None,
    split: str | None = None,
    *,
    others: tuple[str, ...] = (),
    fold_by: str | None = None,
    weight: str | None = None,
    transform: str = "raw",
    views: str | None = None,
    prior_views: float | None = None,
    missing: tuple[str, ...] = (),
    find: Callable[[str], str | None] = lambda text: None,
) -> Table:
    """Read the table from a file of any kind that `files.open_table` knows.

    Args:
        path: the file.
        score: column of scores. Rows without a score are left out and counted; see `numbers` for what numbers look
            like, and which words mean that there is none.
        image_column: column of paths relative to the folder of pictures.
        group: column of groups; only pictures of one group are compared. Rows without a group are left out and
            counted.
        split: column with "train", "validation" or "test"; without it every row is in "train".
        others: columns of further scores, stored as they are.
        fold_by: column of units; pictures of one unit are never on both sides of a split or fold.
        weight: column of weights, >= 0.
        transform: "raw" keeps the score; "rate" is likes per view, see `transforms.shrunk_rates`; "percentile" ranks
            within the group, see `transforms.percentiles`. Unless raw, the column itself becomes the first of the
            further scores.
        views: column of views, for "rate" only. Rows without views are left out and counted.
        prior_views: strength of the prior, for "rate" only; None estimates it for each group.
        missing: texts that mean a missing number, beside the usual words.
        find: returns the path of the picture that a text means, None for the text itself; see `PictureNames.find`.

    A row that says the same as an earlier one is passed over and said.

    Raises:
        ValueError: an unreadable table (see `files.open_table`), no rows, a score that is not a finite number, likes
            above views, an unknown split or transform, a path that leaves the folder, a picture listed twice with
            different values, or a unit in two splits.
    """
    _check_options(score, others, transform, views, prior_views)
    wanted = (image_column, score, group, split, fold_by, weight, views, *others)
    found = files.open_table(path, [name for name in wanted if name])
    numbered, columns, total = _columns(found, path, [name for name in wanted if name])
    said = [] if found.plain else [f"table: {found.kind}"]
    known = {}
    for name in dict.fromkeys(name for name in (score, weight, views, *others) if name):
        known[name] = numbers.understand(path, name, numbered, columns[name], missing, found.delimiter)
        said += known[name].said
        if name in (score, *others):
            numbers.check_no_times(path, name, known[name].values)
            said += numbers.smallest(name, known[name].values)
    texts = {name: [_text(value) for value in columns[name]] for name in (image_column, group, split, fold_by) if name}
    rows, without = [], {"score": [], "group": [], "views": []}
    seen, split_of = {}, {}
    seen_views, changed, repeated = [], {}, []
    for index, number in enumerate(numbered):
        where = f"{path}, row {number}"
        value = known[score].values[index]
        if math.isnan(value):
            without["score"].append(number)
            continue
        if group and not texts[group][index]:
            without["group"].append(number)
            continue
        if views and math.isnan(known[views].values[index]):
            without["views"].append(number)
            continue
        text = texts[image_column][index]
        name = find(text) or text
        row = Row(
            number=number,
            id=name,
            score=value,
            # Share equal strings: a table of a million rows has few groups.
            group=sys.intern(texts[group][index]) if group else "",
            split=_split(where, split, texts[split][index]) if split else "train",
            unit=sys.intern(texts[fold_by][index]) if fold_by else "",
            weight=_at_least_0(where, weight, known[weight].values[index], columns[weight][index]) if weight else 1.0,
            others=(value,) * (transform != "raw") + tuple(known[name].values[index] for name in others),
        )
        seen_by = known[views].values[index] if views else 0.0
        if _is_repeated(where, row, seen_by, seen, score):
            repeated.append(number)
            continue
        if name != text:
            changed[text] = name
        if transform == "rate":
            seen_views.append(_views(where, value, score, views, seen_by, columns[views][index]))
        if row.unit and split_of.setdefault(row.unit, row).split != row.split:
            first = split_of[row.unit]
            raise ValueError(
                f"{where}: {fold_by} {row.unit!r} is in {row.split}, and in {first.split} in row {first.number}: "
                "expected all its pictures in one split"
            )
        rows.append(row)
    said += picture_names.said(changed)
    if repeated:
        said.append(f"repeated rows, which count once: {len(repeated):,}, such as row {repeated[0]}")
    priors = {}
    if transform != "raw":
        groups, scores = [row.group for row in rows], [row.score for row in rows]
        if transform == "rate":
            scores, priors = transforms.shrunk_rates(scores, seen_views, groups, prior_views)
        else:
            scores = transforms.percentiles(scores, groups)
        rows = [dataclasses.replace(row, score=float(new)) for row, new in zip(rows, scores, strict=True)]
    return Table(
        tuple(rows),
        total,
        *(tuple(numbers) for numbers in without.values()),
        (score,) * (transform != "raw") + tuple(others),
        priors,
        found.kind,
        tuple(said),
    )


def _columns(found, path, names):
    """Read a table whole: row numbers, the values of each column, and how many rows there are."""
    numbered, columns = [], {name: [] for name in names}
    for number, values in found.rows:
        numbered.append(number)
        for name in columns:
            columns[name].append(values[name])
    if not numbered:
        raise ValueError(f"{path} has a header and no rows, expected a row for each picture")
    return numbered, columns, len(numbered)


def _text(value) -> str:
    return value if isinstance(value, str) else str(value)


def _check_options(score, others, transform, views, prior_views) -> None:
    if transform not in TRANSFORMS:
        raise ValueError(f"transform: got {transform!r}, expected one of {', '.join(TRANSFORMS)}")
    if transform == "rate" and not views:
        raise ValueError("transform 'rate' is likes per view: got no column of views, expected its name")
    for name, value in (("views", views), ("prior_views", prior_views)):
        if value is not None and transform != "rate":
            raise ValueError(f"{name}: got {value!r} with transform {transform!r}, expected it with 'rate' only")
    for name in others:
        if (score, *others).count(name) > 1:
            raise ValueError(f"score: got column {name!r} twice, expected each once")


def _is_repeated(where: str, row: Row, views: float, seen: dict[str, tuple[Row, float]], score: str) -> bool:
    """Return whether an earlier row says the same; refuse one that says something else of the same picture."""
    try:
        name = check_name(row.id)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    first, first_views = seen.setdefault(name, (row, views))
    if first is row:
        return False
    same = dataclasses.replace(row, number=first.number, id=first.id)
    if repr(same) == repr(first) and views == first_views:
        return True
    differ = f", with {score} {first.score:g} and {row.score:g}" if first.score != row.score else ""
    raise ValueError(
        f"{where}: got picture {row.id!r} twice{differ}, expected once; first in row {first.number}. Delete one of the "
        "two rows"
    )


def _at_least_0(where: str, column: str, value: float, given: object) -> float:
    if not value >= 0:
        raise ValueError(f"{where}: {column} is {str(given)!r}, expected a finite number, at least 0")
    return value


def _views(where: str, likes: float, likes_column: str, column: str, value: float, given: object) -> float:
    _at_least_0(where, column, value, given)
    if not 0 <= likes <= value:
        raise ValueError(
            f"{where}: {likes_column} is {likes:g} and {column} is {given}, expected 0 <= {likes_column} <= {column}"
        )
    return value


def _split(where: str, column: str, text: str) -> str:
    if text not in SPLITS:
        raise ValueError(f"{where}: {column} is {text!r}, expected one of {', '.join(SPLITS)}")
    return SPLITS[SPLITS.index(text)]
