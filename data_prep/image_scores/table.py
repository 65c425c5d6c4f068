"""The table of `image_scores`: each picture's scores, group and split, every value checked."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np

from data_prep.image_scores import table_values, transforms
from data_prep.picture_folder import check_name

SPLITS = ("train", "validation", "test")
TRANSFORMS = ("raw", "rate", "percentile")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One usable row.

    Attributes:
        number: the row's number, see `table_values.read`.
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
    """

    rows: tuple[Row, ...]
    total: int
    without_score: tuple[int, ...]
    without_group: tuple[int, ...]
    without_views: tuple[int, ...] = ()
    others: tuple[str, ...] = ()
    priors: dict[str, transforms.Prior] = dataclasses.field(default_factory=dict)


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
) -> Table:
    """Read the table from a CSV or Parquet file.

    Args:
        path: the file, see `table_values.read`.
        score: column of scores. Rows without a score are left out and counted.
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

    Raises:
        ValueError: an unreadable table (see `table_values.read`), a score that is not a finite number, likes above
            views, an unknown split or transform, a path that leaves the folder, a picture listed twice, or a unit in
            two splits.
    """
    _check_options(score, others, transform, views, prior_views)
    wanted = (image_column, score, group, split, fold_by, weight, views, *others)
    required = {"score": score, "group": group, "views": views}
    rows, without = [], {kind: [] for kind in required}
    seen, split_of = {}, {}
    seen_views = []
    for number, values in table_values.read(Path(path), [name for name in wanted if name]):
        where = f"{path}, row {number}"
        empty = [kind for kind, name in required.items() if name and not values[name]]
        if empty:
            without[empty[0]].append(number)
            continue
        value = _number(where, score, values[score])
        row = Row(
            number=number,
            id=values[image_column],
            score=value if transform == "raw" else float(values[score]),
            # Share equal strings: a table of a million rows has few groups.
            group=sys.intern(values[group]) if group else "",
            split=_split(where, split, values[split]) if split else "train",
            unit=sys.intern(values[fold_by]) if fold_by else "",
            weight=_number(where, weight, values[weight], least=0.0) if weight else 1.0,
            others=(value,) * (transform != "raw") + tuple(_maybe(where, name, values[name]) for name in others),
        )
        if transform == "rate":
            seen_views.append(_views(where, row.score, score, views, values[views]))
        _check_new(where, row, seen)
        if row.unit and split_of.setdefault(row.unit, row).split != row.split:
            first = split_of[row.unit]
            raise ValueError(
                f"{where}: {fold_by} {row.unit!r} is in {row.split}, and in {first.split} in row {first.number}: "
                "expected all its pictures in one split"
            )
        rows.append(row)
    priors = {}
    if transform != "raw":
        groups, scores = [row.group for row in rows], [row.score for row in rows]
        if transform == "rate":
            scores, priors = transforms.shrunk_rates(scores, seen_views, groups, prior_views)
        else:
            scores = transforms.percentiles(scores, groups)
        rows = [dataclasses.replace(row, score=_stored(new)) for row, new in zip(rows, scores, strict=True)]
    return Table(
        tuple(rows),
        len(rows) + sum(map(len, without.values())),
        *(tuple(numbers) for numbers in without.values()),
        (score,) * (transform != "raw") + tuple(others),
        priors,
    )


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


def _check_new(where: str, row: Row, seen: dict[str, int]) -> None:
    try:
        name = check_name(row.id)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if name in seen:
        raise ValueError(f"{where}: got picture {row.id!r} twice, expected once; first in row {seen[name]}")
    seen[name] = row.number


def _stored(value: float) -> float:
    # TFDS stores 32 bits, in which close numbers become equal and huge ones infinite.
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _number(where: str, column: str, text: str, least: float = -math.inf) -> float:
    try:
        # Python reads 1_000 as a number, but no table means that.
        value = math.nan if "_" in text else _stored(float(text))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f", at least {least:g}"
        raise ValueError(f"{where}: {column} is {text!r}, expected a finite number (of 32 bits){bound}")
    return value


def _maybe(where: str, column: str, text: str) -> float:
    return _number(where, column, text) if text else math.nan


def _views(where: str, likes: float, likes_column: str, column: str, text: str) -> float:
    _number(where, column, text, least=0.0)
    value = float(text)
    if not 0 <= likes <= value:
        raise ValueError(
            f"{where}: {likes_column} is {likes:g} and {column} is {text}, expected 0 <= {likes_column} <= {column}"
        )
    return value


def _split(where: str, column: str, text: str) -> str:
    if text not in SPLITS:
        raise ValueError(f"{where}: {column} is {text!r}, expected one of {', '.join(SPLITS)}")
    return SPLITS[SPLITS.index(text)]
