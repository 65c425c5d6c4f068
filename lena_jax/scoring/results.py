"""What a `Scorer` says of pictures: the score of one, where it comes from, why one rather than another."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class PictureScore:
    """The score of one picture, or why it has none.

    Attributes:
        name: its path, the file that it was opened from, or "#" and its number, from 0.
        score: higher is predicted to be ahead; comparable with scores of the same model only. None with an error.
        percentile: of the training pictures' predicted scores that are below, in [0, 100]; None with an error, or
            where those are not known.
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
        name, score, percentile: as of `PictureScore`.
        map: [h, w] float32, raw and signed: what each cell adds to the score.
        exact: whether the map is a contribution map, which sums to the score without the model's constant; otherwise
            the pooling allows none, and it is the virality map.
        boxes: [k, 4] (top, left, bottom, right) in pixels around the parts that raise the score most, best first.
        picture: [H, W, 3] uint8, as it was decoded.
    """

    name: str
    score: float
    percentile: float | None
    map: np.ndarray
    exact: bool
    boxes: np.ndarray
    picture: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Why one picture rather than another.

    Attributes:
        probability: that the first is ahead of the second, in (0, 1).
        left, right: `Explanation` of the first and of the second.
        maps: [2, h, w]: positive cells speak for the first picture, negative ones for the second, in whichever picture
            they are. Of exact maps all cells together sum to the difference of the scores.
    """

    probability: float
    left: Explanation
    right: Explanation
    maps: np.ndarray
