"""Describe a built dataset: counts, a histogram of its scores, and a sheet of its most and least viral pictures."""

import dataclasses
from pathlib import Path

import numpy as np
from scipy import stats

from data_prep import charts, text_table
from data_prep.built import BuiltDataset
from lena_jax.data.pairs import ComparablePairs

HISTOGRAM = "score_histogram.png"
SHEET = "contact_sheet.png"


@dataclasses.dataclass(frozen=True)
class Scores:
    """The different pictures of a dataset: where each is, and what is known about it.

    Attributes:
        ids: [n] str.
        splits: [n] str.
        groups: [n] str.
        scores: [n].
        places: the split, record number and feature of each.
    """

    ids: np.ndarray
    splits: np.ndarray
    groups: np.ndarray
    scores: np.ndarray
    places: list[tuple[str, int, str]]


def read_scores(data: BuiltDataset) -> Scores:
    """Read ids and scores of all pictures; a picture in several pairs counts once."""
    places, rows = [], {}
    for split in data.counts:
        for number, record in enumerate(data.records(split)):
            for item in data.items(record):
                if (split, item.id) not in rows:
                    rows[split, item.id] = (item.id, split, item.group, item.score)
                    places.append((split, number, item.feature))
    ids, splits, groups, scores = zip(*rows.values(), strict=True) if rows else ((),) * 4
    return Scores(np.array(ids, str), np.array(splits, str), np.array(groups, str), np.array(scores, float), places)


def table(data: BuiltDataset, scores: Scores) -> str:
    """Return counts and scores of each split as aligned text."""
    rows = [("split", "records", "pictures", "groups", "comparable pairs", "least score", "median", "greatest")]
    for split, count in data.counts.items():
        here = scores.splits == split
        values, groups = scores.scores[here], scores.groups[here]
        quantiles = np.quantile(values, (0, 0.5, 1)) if len(values) else (np.nan,) * 3
        numbers = (count, len(values), len(set(groups)), len(ComparablePairs(values, groups)))
        rows.append((split, *(f"{n:,}" for n in numbers), *(f"{value:.4g}" for value in quantiles)))
    return text_table.align(rows)


def draw(data: BuiltDataset, scores: Scores, folder: Path) -> list[Path]:
    """Draw the histogram and the sheet into a folder, and return their paths.

    Scores of different groups cannot be compared. Where there are groups, the histogram has a panel for each of the
    largest, and the sheet shows the highest and lowest pictures within their groups.
    """
    folder.mkdir(parents=True, exist_ok=True)
    charts.save_histogram(folder / HISTOGRAM, data.name, scores.scores, scores.splits, scores.groups)
    rank = within_groups(scores.scores, scores.groups)
    # Among equal ranks, such as the best of each group, the larger group comes first.
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
    """Return the share of its group that each picture beats, in [0, 1]; 1/2 for the only picture of a group."""
    result = np.full(len(scores), 0.5)
    for group in np.unique(groups):
        here = np.flatnonzero(groups == group)
        if len(here) > 1:
            result[here] = (stats.rankdata(scores[here]) - 1) / (len(here) - 1)
    return result


def _picture(data: BuiltDataset, place: tuple[str, int, str]) -> np.ndarray:
    split, number, feature = place
    # Shrink each at once: 48 photographs of 12 megapixels would take two gigabytes.
    return charts.thumbnail(data.decode(data.record(split, number), feature))


def _label(scores: Scores, index: int) -> str:
    group = f" {scores.groups[index]}" if scores.groups[index] else ""
    return f"{scores.scores[index]:.4g}{group}"
