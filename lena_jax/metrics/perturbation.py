"""Insertion and deletion: how fast the score changes as pixels are added or removed in map order. Needs no masks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


def insertion_deletion(
    score: Callable[[np.ndarray], npt.ArrayLike],
    picture: npt.ArrayLike,
    signed_map: npt.ArrayLike,
    steps: int = 20,
    baseline: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """Computes the insertion and deletion curves of a score along a signed map, and their areas.

    Insertion starts from the baseline and adds the picture's pixels, highest map value first. Deletion starts from the
    picture and removes pixels in the same order. In the paper, the score is a probability that the object raises. Here
    it is a signed number that may be below the baseline's score. This changes two things:

    - The *areas* are those of the normalised curve `(s - score(baseline)) / (score(picture) - score(baseline))`. Pixels
      are ordered by how much they push *towards the picture's score*: highest map value first if the picture scores
      above the baseline, lowest first if below. A good map has an insertion area near (or above) 1 and a deletion area
      near (or below) 0; an uninformative map has 1/2 for both. If picture and baseline have equal scores, the areas are
      NaN.
    - The *gain* is in units of the score and always defined. With the highest values first, it is the mean of two
      areas: of the insertion curve above the straight line between its ends, and of the deletion curve below its line.
      An uninformative map has gain 0.

    Args:
        score: function from pictures [steps + 1, H, W, 3] float32 to scores [steps + 1]; called at most four times.
        picture: [H, W, 3].
        signed_map: [H, W], finite. Pixels of equal value are taken in reading order.
        steps: number of equal portions in which pixels are added or removed.
        baseline: array that broadcasts to the picture, such as a blurred copy or a colour; None for its mean colour.

    Returns:
        {"share": [steps + 1], share of changed pixels, "insertion", "deletion": [steps + 1], scores with the highest
        values first, "insertion_area", "deletion_area", "gain": floats}.

    Raises:
        ValueError: map and picture differ in size, the map is not finite, or `steps` is below 1.

    Reference: Petsiuk, Das and Saenko, RISE, BMVC 2018.
    """
    picture, signed_map = np.asarray(picture, np.float32), np.asarray(signed_map)
    if signed_map.shape != picture.shape[:2]:
        raise ValueError(f"map and picture must have the same size, got {signed_map.shape} and {picture.shape[:2]}")
    if not np.isfinite(signed_map).all():
        raise ValueError(f"the map must be finite, got {int((~np.isfinite(signed_map)).sum())} cells that are not")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    baseline = np.broadcast_to(
        picture.mean((0, 1)) if baseline is None else np.asarray(baseline, np.float32), picture.shape
    )
    share = np.arange(steps + 1) / steps

    def curves(values):
        place = np.empty(values.size, np.int64)
        place[np.argsort(-values, axis=None, kind="stable")] = np.arange(values.size)
        moved = (place.reshape(values.shape)[None] < share[:, None, None] * values.size)[..., None]
        return [
            np.asarray(score(np.where(moved, *ends).astype(np.float32)), np.float64)
            for ends in ((picture, baseline), (baseline, picture))
        ]

    insertion, deletion = curves(signed_map)
    bare, whole = insertion[0], insertion[-1]
    towards = (insertion, deletion) if whole >= bare else curves(-signed_map)
    areas = [np.trapezoid((curve - bare) / (whole - bare), share) if whole != bare else np.nan for curve in towards]
    return {
        "share": share,
        "insertion": insertion,
        "deletion": deletion,
        "insertion_area": float(areas[0]),
        "deletion_area": float(areas[1]),
        "gain": float(np.trapezoid(insertion - deletion, share) / 2),
    }
