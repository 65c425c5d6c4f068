"""How viral a picture is, from counts: the score of Deza and Parikh, and its form for Google+.

References:
    Deza and Parikh, "Understanding Image Virality", CVPR 2015, arXiv 1503.02318.
    Alameda-Pineda et al., "Viraliency: Pooling Local Virality", CVPR 2017, arXiv 1703.03937.
"""

import numpy as np


def deza_parikh(best_likes, submissions, *, mean_submissions: float | None = None) -> np.ndarray:
    """Score of pictures that were submitted again and again: `V = A * log(n / mean(n))`.

    It is 0 for a picture submitted as often as the average one. Likes stretch it away from 0 to both sides: of
    two pictures submitted less often than the average, the formula puts the better liked one lower.

    What the formula leaves open:
        likes below 0 (more votes against than for) count as 0, so the score is 0; as the formula reads, a
            disliked picture that nobody submitted again would come out viral.
        one submission is the least there is, and gives `-A * log(mean(n))`; 0 is an error, for a picture that
            was never submitted has no score.
        all pictures submitted equally often: every score is 0.
        no pictures: no scores.

    Args:
        best_likes: `[M]`, `A`, the best adjusted likes of each picture over its submissions.
        submissions: `[M]`, `n >= 1`, how often each picture was submitted.
        mean_submissions: mean of `n`, for pictures that are a part of a data set; without it the mean of
            `submissions`.

    Returns:
        `[M]` float64.

    Raises:
        ValueError: shapes that differ, a value that is not finite, submissions below 1, a mean that is not
            positive and finite.

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
    """Score of Google+ posts: `V = A / mean(A) * log(n / mean(n))`, with `n` the reshares plus 1.

    Plus-ones stand for likes and reshares for submissions. The 1 is the post itself, as the first of a
    picture's submissions is counted too; a post that nobody reshared (most of them) then has a finite score.
    Dividing by `mean(A)` changes no ranking.

    What the formula leaves open: with no plus-ones at all, or all posts reshared equally often, every score
    is 0; no posts, no scores.

    Args:
        plusoners: `[M]`, `A >= 0`, how many gave the post a plus-one.
        resharers: `[M]`, `>= 0`, how many reshared it.
        mean_plusoners: mean of `A`, for posts that are a part of a data set; without it that of `plusoners`.
        mean_resharers: mean of the reshares (without the 1), likewise.

    Returns:
        `[M]` float64.

    Raises:
        ValueError: shapes that differ, a value that is not finite or below 0, means that are.

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
    """The named columns as float64 vectors of one length, all finite."""
    # Before any arithmetic: counts come as uint16, which wraps around.
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
    """`log(n / mean(n))`, for `n >= 1`."""
    if not times.size:
        return times
    if mean is None:
        mean = times.mean()
    if not np.isfinite(mean) or mean <= 0:
        raise ValueError(f"{name}: got {mean}, expected a positive finite number")
    return np.log(times / mean)
