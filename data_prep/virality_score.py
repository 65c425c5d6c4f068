"""Compute how viral a picture is from counts: the score of Deza and Parikh, and its form for Google+.

References:
    Deza and Parikh, "Understanding Image Virality", CVPR 2015, arXiv 1503.02318.
    Alameda-Pineda et al., "Viraliency: Pooling Local Virality", CVPR 2017, arXiv 1703.03937.
"""

import numpy as np


def deza_parikh(best_likes, submissions, *, mean_submissions: float | None = None) -> np.ndarray:
    """Return the score of pictures that were submitted repeatedly: `V = A * log(n / mean(n))`.

    The score is 0 for a picture submitted as often as the average one. Likes stretch it away from 0 on both sides: of
    two pictures submitted less often than average, the formula ranks the better liked one lower.

    Cases that the formula leaves open:

    - Likes below 0 (more votes against than for) count as 0, and the score is 0. Taken literally, the formula would
      call a disliked picture viral if nobody submitted it again.
    - A single submission gives `-A * log(mean(n))`. 0 submissions are an error.
    - If all pictures were submitted equally often, every score is 0.
    - No pictures give no scores.

    Args:
        best_likes: `[M]`, `A`, the best adjusted likes of each picture over its submissions.
        submissions: `[M]`, `n >= 1`, how often each picture was submitted.
        mean_submissions: mean of `n`, for pictures that are part of a larger dataset; by default the mean of
            `submissions`.

    Returns:
        `[M]` float64.

    Raises:
        ValueError: different shapes, a value that is not finite, submissions below 1, or a mean that is not positive
            and finite.

    Example:
        >>> deza_parikh([10, 10], [1, 3]).round(2).tolist()
        [-6.93, 4.05]
    """
    likes, times = _columns(best_likes=best_likes, submissions=submissions)
    if times.size and times.min() < 1:
        raise ValueError(f"submissions: got {times.min():g}, expected at least 1")
    return np.maximum(likes, 0) * _log_ratio(times, mean_submissions, "mean_submissions")


def google_plus(
    plusoners, resharers, *, mean_plusoners: float | None = None, mean_resharers: float | None = None
) -> np.ndarray:
    """Return the score of Google+ posts: `V = A / mean(A) * log(n / mean(n))`, where `n` is the reshares plus 1.

    Plus-ones stand for likes, and reshares for submissions. The 1 counts the post itself, like the first submission
    of a picture, so that a post without reshares, as most are, has a finite score. Dividing by `mean(A)` does not
    change the ranking.

    Cases that the formula leaves open: without any plus-ones, or if all posts were reshared equally often, every
    score is 0. No posts give no scores.

    Args:
        plusoners: `[M]`, `A >= 0`, how many gave the post a plus-one.
        resharers: `[M]`, `>= 0`, how many reshared it.
        mean_plusoners: mean of `A`, for posts that are part of a larger dataset; by default the mean of `plusoners`.
        mean_resharers: mean of the reshares (without the 1), for the same case; by default the mean of `resharers`.

    Returns:
        `[M]` float64.

    Raises:
        ValueError: different shapes, or a value or mean that is below 0 or not finite.

    Example:
        >>> google_plus([4, 4], [0, 2]).round(2).tolist()
        [-0.69, 0.41]
    """
    likes, reshares = _columns(plusoners=plusoners, resharers=resharers)
    for name, values in (("plusoners", likes), ("resharers", reshares)):
        if values.size and values.min() < 0:
            raise ValueError(f"{name}: got {values.min():g}, expected at least 0")
    if mean_plusoners is None:
        mean_plusoners = likes.mean() if likes.size else 0.0
    if not np.isfinite(mean_plusoners) or mean_plusoners < 0:
        raise ValueError(f"mean_plusoners: got {mean_plusoners}, expected a finite number of at least 0")
    if mean_resharers is not None:
        if not np.isfinite(mean_resharers) or mean_resharers < 0:
            raise ValueError(f"mean_resharers: got {mean_resharers}, expected a finite number of at least 0")
        mean_resharers = mean_resharers + 1
    scale = likes / mean_plusoners if mean_plusoners else np.zeros_like(likes)
    return scale * _log_ratio(reshares + 1, mean_resharers, "mean_resharers")


def _columns(**columns) -> list[np.ndarray]:
    """Return the named columns as float64 vectors of one length, all finite."""
    # Convert before any arithmetic: counts may come as uint16, which wraps around.
    arrays = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        got = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"got shapes {got}, expected vectors of one length")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            index = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ValueError(f"{name}: got {array[index]} at index {index}, expected finite numbers")
    return list(arrays.values())


def _log_ratio(times: np.ndarray, mean: float | None, name: str) -> np.ndarray:
    """Return `log(n / mean(n))`, for `n >= 1`."""
    if not times.size:
        return times
    if mean is None:
        mean = times.mean()
    if not np.isfinite(mean) or mean <= 0:
        raise ValueError(f"{name}: got {mean}, expected a positive finite number")
    return np.log(times / mean)
