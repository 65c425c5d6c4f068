"""Find the crop of a picture that a model scores highest: on the picture's map first, then by scoring crops."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from lena_jax.localization.resizing import on_picture
from lena_jax.scoring.results import Explanation, ahead
from lena_jax.scoring.scorer import Scorer

# Sides of the crops that are tried, as shares of the largest crop of the shape. Smaller ones are other pictures.
SIZES = (1.0, 0.9, 0.8, 0.7, 0.6)
PLACES = 8  # Crops of each size that are scored.
_GRID = 64  # Longest side of the grid on which the map is searched.
_FINAL = 3  # Crops that are scored at full size. All are scored on a copy just large enough for the network.

Box = tuple[int, int, int, int]  # (top, left, bottom, right) in pixels.


@dataclasses.dataclass(frozen=True)
class Crop:
    """The crop of one shape with the highest score.

    Attributes:
        aspect: width / height that was asked for; the crop's own is the nearest in whole pixels.
        box: (top, left, bottom, right) in pixels.
        score: the crop's score, as if it were a file of its own.
        percentile: see `PictureScore`.
        centre_score: score of the largest crop of this shape in the middle of the picture.
        ahead: the model's probability that the crop is ahead of that one, in [0.5, 1).
        tried: number of crops that were scored. The highest of many scores is higher than it deserves.
    """

    aspect: float
    box: Box
    score: float
    percentile: float | None
    centre_score: float
    ahead: float
    tried: int


def best_crop(scorer: Scorer, explanation: Explanation, aspect: float) -> Crop:
    """Finds the crop of a shape with the highest score.

    Of each size in `SIZES`, the `PLACES` crops with the largest mean of the picture's map are scored, as pictures of
    their own, and the largest one in the middle; none overlap nearly completely. docs/scoring.md compares this with
    scoring crops everywhere.

    Args:
        scorer: the model.
        explanation: of the whole picture, from `scorer.explain`.
        aspect: width / height, in [0.1, 10].

    Returns:
        A `Crop`; the middle one if no other has a higher score.

    Raises:
        ValueError: the aspect is out of range.
    """
    if not 0.1 <= aspect <= 10:
        raise ValueError(f"got the aspect {aspect:g}, expected width / height between 0.1 and 10")
    height, width = explanation.picture.shape[:2]
    largest = _largest(height, width, aspect)
    middle = _placed(largest, (height - largest[0]) / 2, (width - largest[1]) / 2, height, width)
    tried = list(dict.fromkeys([middle, *_candidates(explanation, largest)]))
    picture = Image.fromarray(explanation.picture)
    small, scale = _reduced(picture, min(largest) * SIZES[-1], 2 * scorer.image_size)
    order = np.argsort([-score for score, _ in _scored(scorer, small, tried, scale)], kind="stable")
    # The middle one is scored at full size in any case, and comes first: it wins where scores are equal.
    final = [middle, *(tried[index] for index in order[:_FINAL] if tried[index] != middle)]
    exact = list(_scored(scorer, picture, final, 1))
    best = max(range(len(final)), key=lambda index: exact[index][0])
    score, percentile = exact[best]
    return Crop(aspect, final[best], score, percentile, exact[0][0], ahead(score, exact[0][0]), len(tried))


def cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """Returns the pixels [h, w, 3] of a picture [H, W, 3] in a box."""
    top, left, bottom, right = box
    return picture[top:bottom, left:right]


def _largest(height, width, aspect):
    """Returns (height, width) of the largest crop of a shape."""
    return (height, height * aspect) if width > height * aspect else (width / aspect, width)


def _placed(size, top, left, height, width):
    """Rounds a crop to whole pixels within the picture."""
    rows, columns = (max(1, min(round(one), most)) for one, most in zip(size, (height, width), strict=True))
    top, left = (max(0, min(round(one), most)) for one, most in ((top, height - rows), (left, width - columns)))
    return top, left, top + rows, left + columns


def _candidates(explanation: Explanation, largest: tuple[float, float]) -> Iterator[Box]:
    """Yields the crops in which the mean of the map is largest, for each size."""
    height, width = explanation.picture.shape[:2]
    unit = max(height, width) / _GRID  # Pixels of a cell of the grid.
    grid = max(1, round(height / unit)), max(1, round(width / unit))
    cells = on_picture(explanation.map[None], *grid, explanation.resize)[0].astype(np.float64)
    sums = np.pad(cells, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    for share in SIZES:
        size = share * largest[0], share * largest[1]
        rows, columns = (max(1, min(round(one / unit), most)) for one, most in zip(size, grid, strict=True))
        inside = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        for top, left in _peaks(inside / (rows * columns), max(1, rows // 8), max(1, columns // 8)):
            yield _placed(size, top * unit, left * unit, height, width)


def _peaks(means, apart_down, apart_across):
    """Returns the places of the largest means, no two of them near each other."""
    left = means.copy()
    found: list[tuple[int, int]] = []
    while len(found) < PLACES and np.isfinite(left).any():
        top, across = np.unravel_index(np.argmax(left), left.shape)
        found.append((int(top), int(across)))
        left[
            max(0, top - apart_down) : top + apart_down + 1, max(0, across - apart_across) : across + apart_across + 1
        ] = -np.inf
    return found


def _reduced(picture, shortest, needed):
    """Shrinks a picture so that a side of `shortest` pixels becomes `needed`; returns it and its scale, at most 1."""
    scale = min(1.0, needed / shortest)
    if scale == 1:
        return picture, 1
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), scale


def _scored(
    scorer: Scorer, picture: Image.Image, boxes: Iterable[Box], scale: float
) -> Iterator[tuple[float, float | None]]:
    """Scores crops of a picture, given in pixels of the whole one."""

    def crops():
        for top, left, bottom, right in boxes:
            where = (round(one * scale) for one in (left, top, right, bottom))
            left, top, right, bottom = where
            yield picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))

    for one in scorer.score(crops()):
        assert one.score is not None  # Arrays and opened pictures can be used.
        yield one.score, one.percentile
