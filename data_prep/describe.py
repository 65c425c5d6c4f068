"""What is in a built data set: counts, a histogram of its scores, a sheet of its most and least viral pictures."""

import dataclasses
from pathlib import Path

import numpy as np
from scipy import stats

from data_prep import charts
from data_prep.built import BuiltDataSet
from lena_jax.data.pairs import ComparablePairs

HISTOGRAM = "score_histogram.png"
SHEET = "contact_sheet.png"


@dataclasses.dataclass(frozen=True)
class Scores:
    """The different pictures of a data set, by number: where each is, and what is known of it.

    Attributes:
        ids, splits, groups: [n] str.
        scores: [n].
        places: [n] of (split, number of the record, feature).
    """

    ids: np.ndarray
    splits: np.ndarray
    groups: np.ndarray
    scores: np.ndarray
    places: list[tuple[str, int, str]]


def read_scores(data: BuiltDataSet) -> Scores:
    """Reads ids and scores of all pictures; one that is in several pairs counts once."""
    places, rows = [], {}
    for split in data.counts:
        for number, record in enumerate(data.records(split)):
            for item in data.items(record):
                if (split, item.id) not in rows:
                    rows[split, item.id] = (item.id, split, item.group, item.score)
                    places.append((split, number, item.feature))
    ids, splits, groups, scores = zip(*rows.values(), strict=True) if rows else ((),) * 4
    return Scores(np.array(ids, str), np.array(splits, str), np.array(groups, str), np.array(scores, float), places)


def table(data: BuiltDataSet, scores: Scores) -> str:
    """Returns counts and scores of each split as aligned text."""
    rows = [("split", "records", "pictures", "groups", "comparable pairs", "least score", "median", "greatest")]
    for split, count in data.counts.items():
        here = scores.splits == split
        values, groups = scores.scores[here], scores.groups[here]
        quantiles = np.quantile(values, (0, 0.5, 1)) if len(values) else (np.nan,) * 3
        numbers = (count, len(values), len(set(groups)), len(ComparablePairs(values, groups)))
        rows.append((split, *(f"{n:,}" for n in numbers), *(f"{value:.4g}" for value in quantiles)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def draw(data: BuiltDataSet, scores: Scores, folder: Path) -> list[Path]:
    """Writes the histogram and the sheet into a folder; returns their paths.

    Where there are groups, whose scores cannot be compared, the histogram has a panel for each of the largest, and
    the sheet shows the pictures that are highest and lowest within their groups.
    """
    folder.mkdir(parents=True, exist_ok=True)
    charts.save_histogram(folder / HISTOGRAM, data.name, scores.scores, scores.splits, scores.groups)
    rank = within_groups(scores.scores, scores.groups)
    # Of equal ranks (the best of each group) the larger group's is first.
    size = np.unique(scores.groups, return_inverse=True, return_counts=True)
    order = np.lexsort((-size[2][size[1]], -rank))
    half = min(charts.SHEET_PICTURES, (len(order) + 1) // 2)
    blocks = []
    lowest = order[::-1][: min(half, len(order) - half)]
    for title, chosen in (("highest scores", order[:half]), ("lowest scores", lowest)):
        shown = [(_picture(data, scores.places[index]), _label(scores, index)) for index in chosen]
        blocks.append((title + (" within their groups" if scores.groups.any() else ""), shown))
    charts.save_sheet(folder / SHEET, data.name, blocks)
    return [folder / HISTOGRAM, folder / SHEET]


def within_groups(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The share of its group that each picture is above, in [0, 1]; the only one of a group has 1/2."""
    result = np.full(len(scores), 0.5)
    for group in np.unique(groups):
        here = np.flatnonzero(groups == group)
        if len(here) > 1:
            result[here] = (stats.rankdata(scores[here]) - 1) / (len(here) - 1)
    return result


def _picture(data: BuiltDataSet, place: tuple[str, int, str]) -> np.ndarray:
    split, number, feature = place
    # Small at once: 48 photographs of 12 megapixels would be two gigabytes.
    return charts.thumbnail(data.decode(data.record(split, number), feature))


def _label(scores: Scores, index: int) -> str:
    group = f" {scores.groups[index]}" if scores.groups[index] else ""
    return f"{scores.scores[index]:.4g}{group}"
