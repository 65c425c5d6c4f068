"""Results of a `Scorer`: the score of a picture, its explanation, the comparison of two pictures."""

import dataclasses

import numpy as np

_LARGEST = 1e30


def ahead(score: float, other: float) -> float:
    """Computes the predicted probability that a picture with `score` is ahead of one with score `other`.

    Example:
        >>> ahead(1.5, 1.5)
        0.5
    """
    # The logistic function of the difference, in a form that cannot overflow.
    return float(0.5 * (1 + np.tanh(0.5 * (score - other))))


def percent(chance: float) -> str:
    """Formats a probability, never as 0 % or 100 %.

    Example:
        >>> percent(0.567), percent(0.9912), percent(1.0)
        ('57 %', '99.1 %', 'over 99.9 %')
    """
    if chance > 0.999:
        return "over 99.9 %"
    return "under 0.1 %" if chance < 0.001 else f"{100 * chance:.{1 if chance > 0.99 or chance < 0.01 else 0}f} %"


class NoScore(ValueError):
    """The model gives no finite score, though its weights are finite."""


def no_number(score: float, signed_map: np.ndarray | None = None) -> str | None:
    """Say why what a model answers is no score; None if it is one.

    A score and the cells of its map are numbers whose sums and differences do not overflow, too. Weights that are all
    finite can still give others.

    Example:
        >>> no_number(0.5), no_number(float("inf"))
        (None, 'the model gives it the score inf, expected a finite number: its weights are damaged or too large')
    """
    wrong = not abs(score) < _LARGEST
    if wrong or not (signed_map is None or (np.abs(signed_map) < _LARGEST).all()):
        what = f"the score {score:g}" if wrong else f"the score {score:g} and a map with cells that are no numbers"
        return f"the model gives it {what}, expected a finite number: its weights are damaged or too large"
    return None


@dataclasses.dataclass(frozen=True)
class PictureScore:
    """The score of one picture, or why it has none.

    Attributes:
        name: its path, the file that it was opened from, or "#" and its number, from 0.
        score: the predicted score; higher is better. Comparable only with scores of the same model. None if there is
            an error.
        percentile: percentage of the training pictures with a lower predicted score, in [0, 100]. None if there is an
            error or the scores of the training pictures are unknown.
        error: why the picture could not be scored, or None.
    """

    name: str
    score: float | None
    percentile: float | None
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Where in a picture its score comes from.

    Attributes:
        name, score, percentile: see `PictureScore`.
        map: [h, w] float32, raw and signed: what each cell adds to the score.
        exact: True if the map is a contribution map, which sums to the score minus the model's bias. If the
            model has a baseline (`Ranker.with_baseline`), it is the mean score of the training pictures, and the map
            says what sets the picture apart from them. False if the pooling allows no such map; it is then the
            virality map.
        boxes: [k, 4] (top, left, bottom, right) in pixels, around the regions that raise the score most, best first.
        picture: [H, W, 3] uint8, the decoded picture.
        resize: how it became the square that the network saw and the map covers: "squash", "pad" or "crop", see
            `localization.on_picture`.

    A notebook shows it as a drawing: the picture and, below, its map with boxes.
    """

    name: str
    score: float
    percentile: float | None
    map: np.ndarray
    exact: bool
    boxes: np.ndarray
    picture: np.ndarray
    resize: str = "squash"

    def _repr_png_(self) -> bytes:
        # Matplotlib takes a second to import.
        from lena_jax.localization import overlays
        from lena_jax.scoring import drawing

        return overlays.as_png(drawing.draw_explanation(self))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Which of two pictures is ahead, and why.

    Attributes:
        probability: probability that the first is ahead of the second, in (0, 1).
        left, right: explanations of the first and the second picture.
        maps: [2, h, w]. In both pictures, positive cells favour the first picture and negative cells the second. If
            the maps are exact, all cells sum to the difference of the scores.

    A notebook shows it as a drawing: both pictures and, below, their maps.
    """

    probability: float
    left: Explanation
    right: Explanation
    maps: np.ndarray

    def _repr_png_(self) -> bytes:
        from lena_jax.localization import overlays
        from lena_jax.scoring import drawing

        return overlays.as_png(drawing.draw_comparison(self))
