"""How a planted picture gets its score: which objects are present, how much the veil covers, and noise.

    signal = sum of the present objects' effects - VEIL_EFFECT * share of the picture under the veil
    score  = signal + NOISE_SIGMA * N(0, 1)

About 0.6 of the signal's variance comes from the objects, which show in few cells of a feature map (a small support),
and 0.4 from the veil, which only the average over the whole map measures (a large support).
"""

from collections.abc import Iterable

import numpy as np
from scipy.special import ndtr

# What an object's presence adds to the score, whatever its size. Those at zero are distractors.
EFFECTS = {
    "cat": 1.0,
    "cup": 0.6,
    "rocket": -0.8,
    "astronaut": 0.0,
    "helmet": 0.0,
    "cameraman": 0.0,
}
KINDS = tuple(EFFECTS)
MIN_OBJECTS, MAX_OBJECTS = 1, 4
MIN_VEIL, MAX_VEIL = 0.1, 0.9
VEIL_EFFECT = 2.4

# Solves noise_ceiling(signals, sigma) = 0.95 for the signals of this design; a test repeats the computation.
NOISE_SIGMA = 0.143


def draw_content(rng: np.random.Generator) -> tuple[tuple[str, ...], float]:
    """Draw what a picture holds: kinds of objects (each at most once, in pasting order), and the veil's share."""
    count = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    kinds = tuple(KINDS[i] for i in rng.permutation(len(KINDS))[:count])
    return kinds, float(rng.uniform(MIN_VEIL, MAX_VEIL))


def signal(kinds: Iterable[str], veil_share: float) -> float:
    """Return the score before noise of a picture that holds `kinds`, under a veil of `veil_share` in [0, 1].

    Example:
        >>> round(signal(["cat", "cup"], veil_share=0.5), 3)
        0.4
    """
    return sum(EFFECTS[kind] for kind in kinds) - VEIL_EFFECT * veil_share


def noise_ceiling(signals: np.ndarray, sigma: float) -> float:
    """Return the accuracy with which the true signals order pairs by noisy score, in [0.5, 1].

    For a pair whose signals differ by d, both with noise N(0, sigma^2), the accuracy is Phi(|d| / (sigma sqrt 2)).
    The result is the mean over all pairs.

    Args:
        signals: [n], the scores before noise.
        sigma: standard deviation of the noise.
    """
    signals = np.asarray(signals, np.float64)
    left, right = np.triu_indices(len(signals), k=1)
    return float(ndtr(np.abs(signals[left] - signals[right]) / (sigma * np.sqrt(2.0))).mean())
