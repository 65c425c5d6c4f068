"""How a planted picture gets its score: objects by presence, the veil by the share it covers, then noise.

    signal = sum of the present objects' effects - VEIL_EFFECT * share of the picture under the veil
    score  = signal + NOISE_SIGMA * N(0, 1)

About 0.6 of the signal's variance comes from the objects (few cells of a feature map know it: a small
support) and 0.4 from the veil (only the average over the whole map knows it: a large support).
"""

from collections.abc import Iterable

import numpy as np
from scipy.special import ndtr

# Effect of an object's presence, whatever its size; the ones at zero are distractors.
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

# Solves noise_ceiling(signal, sigma) = 0.95 over this design's signals; tests/data_prep repeats the
# computation.
NOISE_SIGMA = 0.143


def draw_content(rng: np.random.Generator) -> tuple[tuple[str, ...], float]:
    """Draws what a picture holds: kinds of object (each once at most, in pasting order), the veil's share."""
    count = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    kinds = tuple(KINDS[i] for i in rng.permutation(len(KINDS))[:count])
    return kinds, float(rng.uniform(MIN_VEIL, MAX_VEIL))


def signal(kinds: Iterable[str], veil_share: float) -> float:
    """Returns the noise-free score of a picture that holds `kinds` under a veil of `veil_share` in [0, 1]."""
    return sum(EFFECTS[kind] for kind in kinds) - VEIL_EFFECT * veil_share


def noise_ceiling(signals: np.ndarray, sigma: float) -> float:
    """Accuracy that the true signal reaches in ordering pairs by noisy score, in [0.5, 1].

    For a pair whose signals differ by d, both with noise N(0, sigma^2), it is Phi(|d| / (sigma sqrt 2)); the
    mean over all pairs of `signals: [n]`.
    """
    signals = np.asarray(signals, np.float64)
    left, right = np.triu_indices(len(signals), k=1)
    return float(ndtr(np.abs(signals[left] - signals[right]) / (sigma * np.sqrt(2.0))).mean())
