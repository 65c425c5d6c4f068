"""Find the crop of a picture that a model scores highest: a few everywhere, then the neighbours of the best."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from PIL import Image

from lena_jax.scoring.results import ahead
from lena_jax.scoring.scorer import Scorer

# Sides of the crops that are tried, as shares of the largest crop of the shape. Smaller ones are other pictures.
SIZES = (1.0, 0.9, 0.8, 0.7, 0.6)
_STEPS = 8  # Between the first and the last place of a size, down and across.
# The start: every second size, at the edges and in the middle.
_START = tuple((size, down, across) for size in (0, 2, 4) for down in (0, 4, 8) for across in (0, 4, 8))
_ROUNDS, _LEADERS = 3, 2  # So often the neighbours of so many of the best are scored.
_FINAL = 3  # Crops that are scored at full size. All are scored on a copy just large enough for the network.

Box = tuple[int, int, int, int]  # (top, left, bottom, right) in pixels.
Place = tuple[int, int, int]  # Number of a size, steps down and across.


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


def best_crop(scorer: Scorer, picture: np.ndarray, aspect: float) -> Crop:
    """Finds the crop of a shape with the highest score.

    Crops of three sizes at nine places are scored as pictures of their own; then, three times, the neighbours of the
    two best, a little larger, smaller, higher, lower, to the left and to the right. docs/scoring.md compares this with
    scoring crops everywhere, and with starting from the picture's map.

    Args:
        scorer: the model.
        picture: [H, W, 3] uint8, such as `Explanation.picture`.
        aspect: width / height, in [0.1, 10].

    Returns:
        A `Crop`; the middle one if no other has a higher score.

    Raises:
        ValueError: the aspect is out of range, or the model gives a crop no finite score.
    """
    if not 0.1 <= aspect <= 10:
        raise ValueError(f"got the aspect {aspect:g}, expected width / height between 0.1 and 10")
    height, width = picture.shape[:2]
    largest = (height, height * aspect) if width > height * aspect else (width / aspect, width)
    whole = Image.fromarray(picture)
    small, scale = _reduced(whole, min(largest) * SIZES[-1], 2 * scorer.image_size)

    def placed(place: Place) -> Box:
        return _placed(largest, place, height, width)

    found = _searched(placed, lambda boxes: [score for score, _ in _scored(scorer, small, boxes, scale)])
    middle = placed((0, _STEPS // 2, _STEPS // 2))
    order = sorted(found, key=lambda box: -found[box])
    # The middle one is scored at full size in any case, and comes first: it wins where scores are equal.
    final = [middle, *(box for box in order[:_FINAL] if box != middle)]
    exact = list(_scored(scorer, whole, final, 1))
    best = max(range(len(final)), key=lambda index: exact[index][0])
    score, percentile = exact[best]
    return Crop(aspect, final[best], score, percentile, exact[0][0], ahead(score, exact[0][0]), len(found))


def cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """Returns the pixels [h, w, 3] of a picture [H, W, 3] in a box."""
    top, left, bottom, right = box
    return picture[top:bottom, left:right]


def _searched(placed: Callable[[Place], Box], scored: Callable[[list[Box]], list[float]]) -> dict[Box, float]:
    """Scores the crops of the start and the neighbours of the best: {box: score}."""
    at: dict[Place, Box] = {}
    found: dict[Box, float] = {}
    places = set(_START)
    for _ in range(1 + _ROUNDS):
        at |= {place: placed(place) for place in places}
        boxes = sorted({at[place] for place in places} - set(found))
        found |= zip(boxes, scored(boxes), strict=True)
        leaders = sorted(at, key=lambda place: (-found[at[place]], place))[:_LEADERS]
        places = {place for leader in leaders for place in _neighbours(leader)} - set(at)
    return found


def _placed(largest: tuple[float, float], place: Place, height: int, width: int) -> Box:
    number, down, across = place
    rows, columns = (
        max(1, min(round(SIZES[number] * one), most)) for one, most in zip(largest, (height, width), strict=True)
    )
    top, left = round((height - rows) * down / _STEPS), round((width - columns) * across / _STEPS)
    return top, left, top + rows, left + columns


def _neighbours(place: Place) -> Iterator[Place]:
    """Yields the places one size or one step away."""
    for axis, most in enumerate((len(SIZES) - 1, _STEPS, _STEPS)):
        for step in (-1, 1):
            if 0 <= place[axis] + step <= most:
                number, down, across = (one + step * (axis == here) for here, one in enumerate(place))
                yield number, down, across


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
        if one.score is None:  # A model whose weights give no finite score.
            raise ValueError(f"a crop has no score: {one.error}")
        yield one.score, one.percentile
