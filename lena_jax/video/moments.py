"""Which frames of a clip are its best moments."""

import numpy as np


def best_moments(scores, most):
    """Peaks of the scores over time, the highest first, none close to another.

    A peak is not below the frames next to it. The highest is taken, then the next highest that is at least a
    twentieth of the clip, and two frames, from all before it, and so on.

    Args:
        scores: [T] of the frames, in the order of time.
        most: how many to give, at least 1.

    Returns:
        Indices of the frames, 1 to `most` of them; the first is the highest frame of all, of equal ones the first.

    Raises:
        ValueError: scores that are not T > 0 finite numbers, or `most` below 1.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"got scores of the shape {list(scores.shape)}, expected [T] finite numbers of some frames")
    if most < 1:
        raise ValueError(f"got most={most}, expected at least 1")
    apart = max(2, round(len(scores) / 20))
    around = np.concatenate([[-np.inf], scores, [-np.inf]])
    peaks = np.flatnonzero((scores >= around[:-2]) & (scores >= around[2:]))
    chosen = []
    for peak in peaks[np.argsort(-scores[peaks], kind="stable")].tolist():
        if all(abs(peak - other) >= apart for other in chosen):
            chosen.append(peak)
        if len(chosen) == most:
            break
    return np.array(chosen)
