"""Look at a table of scores before anything is trained: pairs, tail, and what else the score follows."""

import datetime
import functools
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from data_prep.picture_names import PictureNames
from data_prep.tables import files, numbers
from lena_jax.data.pairs import ComparablePairs

# Below this, five folds hold out fewer than 40 pictures each.
_FEW = 200
# Correlations below this, or less sure, are not worth a line.
_WORTH, _SURE = 0.15, 0.01
_MOST_LINES = 6
_FILE_SIZE = "size of the file"
# Five folds of fewer pictures than this hold out two each.
_FEWEST = 10
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/\d{4}\b")
# Rows that repeat an earlier row's name, from which on a column of many names is looked at.
_REPEATED = 30


def lines(
    path: Path,
    folder: Path,
    image: str,
    score: str,
    group: str | None = None,
    missing: Sequence[str] = (),
    fold_by: str | None = None,
    views: str | None = None,
) -> list[str]:
    """Return what a person should know, a line each.

    - How many rows name a picture, and how many pictures no row names.
    - How many pairs can be compared, and whether there are enough pictures.
    - How heavy the tail of the score is.
    - What else the score follows: other columns of the table (numbers, dates, names such as an author's) and the size
      of the files. A ranker of pictures may learn these in the place of what pictures show.

    Args:
        path: the table.
        folder: the folder of pictures.
        image: the column of pictures.
        score: the column of scores.
        group: the column of groups, if there is one.
        missing: texts that mean a missing score.
        fold_by: the column whose values stay on one side of every fold; what the score follows of it counts for
            nothing then.
        views: the column of views, by which scores are divided.

    A row that names no file, such as a total, counts for nothing; the build lists it.

    Raises:
        ValueError: no two pictures can be compared, or there are fewer than 10; see also `files.open_table` and
            `numbers.understand`.
    """
    table = files.top(path, None)
    names, columns = table.names, {name: table.column(name) for name in table.names}
    understood = numbers.understand(path, score, table.numbers, columns[score], missing, table.delimiter)
    scores = np.array(understood.values)
    known = PictureNames(folder)
    columns[image] = [known.find(str(text)) for text in columns[image]]
    is_picture = np.array([name is not None for name in columns[image]])
    without = int((~is_picture & ~np.isnan(scores)).sum())
    # A picture that is there twice counts once here; the build says what it thinks of it.
    first = {name: row for row, name in reversed(list(enumerate(columns[image]))) if not np.isnan(scores[row])}
    there = np.array(sorted(row for name, row in first.items() if name is not None), int)
    scores = scores[there]
    groups = None if group is None or group not in columns else np.array([str(columns[group][i]) for i in there])
    pairs = len(ComparablePairs(scores, groups))
    if len(scores) < _FEWEST:
        raise ValueError(
            f"{path}: got {len(scores)} pictures with a score in column {score!r}, expected at least {_FEWEST}, better "
            f"{_FEW}" + (f"; {without} more rows name no picture in {folder}" if without else "")
        )
    if not pairs:
        raise ValueError(_nothing_to_rank(path, score, scores, group))
    found = [f"{len(scores):,} pictures with a score, {pairs:,} pairs to learn from"]
    if without:
        found.append(f"rows with a score that name no picture in the folder: {without:,}, listed below")
    if unused := known.without(columns[image][row] for row in there):
        found.append(f"pictures in the folder that no row scores, not used: {len(unused):,}, such as {unused[0]!r}")
    if len(scores) < _FEW:
        found.append(f"fewer than {_FEW} pictures: expect wide intervals, and the learning curve to rise")
    found += _tail(scores)
    others = {
        name: [columns[name][i] for i in there] for name in names if name not in (image, score, group, fold_by, views)
    }
    others[_FILE_SIZE] = [_bytes(folder, columns[image][i]) for i in there]
    return found + _follows(path, score, scores, groups, others, table.delimiter)


def _nothing_to_rank(path, score, scores, group):
    if len(np.unique(scores)) == 1:
        return (
            f"{path}: all {len(scores)} scores in column {score!r} are {scores[0]:g}, so there is nothing to rank by: "
            "choose another column with --score=COLUMN"
        )
    return f"{path}: no two pictures of one {group} have different scores: leave --group={group} away"


def _tail(scores):
    positive = scores[scores > 0]
    if len(positive) < len(scores) / 2:
        return []
    count = max(1, len(scores) // 100)
    top = np.sort(scores)[-count:].sum() / positive.sum()
    ties = 1 - len(np.unique(scores)) / len(scores)
    who = "the top 1 % of the pictures have" if len(scores) >= 100 else "the best picture alone has"
    said = [f"heavy tail: {who} {top:.0%} of the sum of the scores"] if top > 10 * count / len(scores) else []
    if ties > 0.5:
        said.append(f"{ties:.0%} of the scores are equal to another one; equal scores make no pair")
    return said


def _follows(path, score, scores, groups, others, delimiter):
    """Return a line for each column that the ranks of the scores follow, the strongest first."""
    ranks = _ranks(scores, groups)
    strength = {}
    for name, values in others.items():
        number, are_dates = _as_numbers(path, name, values, delimiter)
        if number is not None:
            known = ~np.isnan(number)
            if known.sum() >= 30 and len(np.unique(number[known])) > 1:
                rho = stats.spearmanr(_ranks(number, groups)[known], ranks[known])
                views = not are_dates and rho.statistic > 0 and np.all(number[known] >= scores[known])
                views = views and name != _FILE_SIZE and np.all(scores >= 0)
                strength[name] = abs(rho.statistic) * (rho.pvalue < _SURE), "views" if views else "rho"
            continue
        kinds, place = np.unique([str(value) for value in values], return_inverse=True)
        # Names of which many are unique, such as titles, tell nothing; a few hundred themes or authors do.
        if 1 < len(kinds) <= max(len(values) / 5, len(values) - _REPEATED):
            strength[name] = _explained(ranks, place), "eta"
    lines = []
    for name, (value, kind) in sorted(strength.items(), key=lambda item: -item[1][0]):
        if value >= _WORTH:
            what = f"{value:.0%} of the ranks' variance" if kind == "eta" else f"rank correlation {value:.2f}"
            option = shlex.quote(f"--views={name}")
            advice = {
                "rho": "",
                # Likes are never above views.
                "views": f"; if these are views, {option} ranks by {score} per view",
                "eta": f"; consider {shlex.quote(f'--group={name}')} or {shlex.quote(f'--fold_by={name}')}",
            }[kind]
            lines.append(f"the score follows {name} ({what}){advice}: a ranker may learn that in the place of pictures")
    return lines[:_MOST_LINES]


def _explained(ranks, place):
    """Return the share of the variance of ranks that lies between kinds, above what chance gives; 0 if not sure."""
    means = np.bincount(place, ranks) / np.bincount(place)
    within = np.square(ranks - means[place]).sum() / np.square(ranks - ranks.mean()).sum()
    free, kinds = len(ranks) - len(means), len(means) - 1
    if free < 1 or stats.f.sf((1 - within) / kinds / max(within / free, 1e-12), kinds, free) > _SURE:
        return 0.0
    return 1 - within * (len(ranks) - 1) / free


def _ranks(values, groups):
    ranks = np.full(len(values), np.nan)
    for name in [None] if groups is None else np.unique(groups):
        here = np.ones(len(values), bool) if name is None else groups == name
        here &= ~np.isnan(values)
        ranks[here] = stats.rankdata(values[here]) / max(here.sum(), 1)
    return ranks


def _as_numbers(path, name, values: Sequence[Any], delimiter: str):
    """Return a column as numbers, dates as days, and whether they are dates; None if it is neither."""
    try:
        found = numbers.understand(path, name, range(1, len(values) + 1), values, (), delimiter)
        return np.array(found.values), False
    except ValueError:
        pass
    days = np.array(_days(values))
    return (days, True) if np.isnan(days).mean() < 0.5 else (None, False)


def _days(values):
    """Return dates as days, NaN where a value is none. 03/12/2024 could be two days; others of the column may tell."""
    texts = [str(value).strip() for value in values]
    parts = [found.groups() for text in texts if (found := _SLASHES.match(text))]
    days_first, months_first = (any(int(one[place]) > 12 for one in parts) for place in (0, 1))
    order = {(True, False): "%d/%m/%Y", (False, True): "%m/%d/%Y"}.get((days_first, months_first))
    parses = [datetime.datetime.fromisoformat]
    parses += [functools.partial(_by_format, form) for form in ("%d.%m.%Y", order, "%Y/%m/%d") if form]
    days = []
    for value, text in zip(values, texts, strict=True):
        days.append(float(value.toordinal()) if isinstance(value, datetime.date) else np.nan)
        for parse in parses if np.isnan(days[-1]) else ():
            try:
                days[-1] = float(parse(text).toordinal())
                break
            except ValueError:
                pass
    return days


def _by_format(form, text):
    return datetime.datetime.strptime(text.replace(",", " ").partition(" ")[0], form)


def _bytes(folder, name):
    try:
        return (folder / str(name)).stat().st_size
    except (OSError, ValueError):
        return ""
