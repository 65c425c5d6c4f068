"""Group pictures that show the same from nearly the same place, and order each group by score."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from lena_jax.scoring.results import PictureScore
from lena_jax.scoring.scorer import PictureLike, Scorer

# Cosine of the mean feature maps from which on two pictures are shots of one thing; docs/scoring.md has the
# measurement on two sets of photographs that sets it.
ALIKE = 0.92
# All features are kept in memory: 100 MB for this many pictures and 2,500 channels.
MOST = 20_000


@dataclasses.dataclass(frozen=True)
class Series:
    """Shots of one thing.

    Attributes:
        shots: their scores, highest first.
        likeness: how much each looks like the first, a cosine in [`ALIKE`, 1]; 1 for the first.
    """

    shots: Sequence[PictureScore]
    likeness: Sequence[float]


def series(scorer: Scorer, pictures: Iterable[PictureLike]) -> tuple[list[Series], list[PictureScore]]:
    """Scores pictures and finds the series among them.

    The picture with the highest score takes all that look like it, then the highest of the rest, and so on. Two
    pictures look alike if the mean feature maps of the model's backbone have a cosine of at least `ALIKE`.

    Args:
        scorer: the model.
        pictures: at most `MOST` pictures, see `Scorer`.

    Returns:
        (the series, the one with the highest score first; a picture that no other looks like is a series of one, and
        pictures that cannot be used).

    Raises:
        ValueError: too many pictures.
    """
    usable: list[tuple[float, PictureScore, np.ndarray]] = []
    bad: list[PictureScore] = []
    for one, vector in scorer.score_with_features(pictures):
        if one.score is None or vector is None:
            bad.append(one)
            continue
        if len(usable) == MOST:
            raise ValueError(f"got more than {MOST:,} pictures, expected at most that many at a time")
        usable.append((one.score, one, vector / max(float(np.linalg.norm(vector)), 1e-12)))
    usable.sort(key=lambda each: -each[0])
    units = np.array([unit for _, _, unit in usable], np.float32)
    free, found = np.ones(len(usable), bool), []
    for first in range(len(usable)):
        if not free[first]:
            continue
        likeness = units[first:] @ units[first]
        likeness[0] = 1  # Whatever its features.
        taken = first + np.flatnonzero(free[first:] & (likeness >= ALIKE))
        free[taken] = False
        found.append(
            Series(
                [usable[index][1] for index in taken],
                [min(float(likeness[index - first]), 1.0) for index in taken],
            )
        )
    return found, bad
