"""How a planted picture gets its score: which objects are present, how much the veil covers, and noise.

    score = signal + NOISE_SIGMA * N(0, 1)

There are four designs. In each, the right support of what matters is known:

- `sum`: signal = sum of the present objects' effects - VEIL_EFFECT * share under the veil. About 0.6 of the signal's
  variance comes from the objects, which show in few cells of a feature map, and 0.4 from the veil, which only the
  average over the whole map measures. A weak ridge still lets average pooling amplify what an object adds to the mean.
- `spot`: signal = opacity of the strongest cat. There are 1 to 4 cats, the others fainter. Their number and opacity
  raise the mean over the map and tell nothing: only the cells of the strongest count.
- `whole`: signal = -share under the veil. Objects are there and do not count: only the average over the whole map does.
- `mixed`: signal = opacity of the strongest cat - share under the veil, each with about half of the variance.
"""

import dataclasses
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

# Least opacity of the strongest cat, and of a fainter one.
MIN_STRONGEST, MIN_FAINTER = 0.25, 0.1

# Solves noise_ceiling(signals, sigma) = 0.95 for the signals of each design; a test repeats the computation.
NOISE_SIGMA = {"sum": 0.143, "spot": 0.035, "whole": 0.037, "mixed": 0.051}


@dataclasses.dataclass(frozen=True)
class Content:
    """What a picture holds, and what that makes of its score.

    Attributes:
        objects: (a key of `EFFECTS`, opacity in (0, 1], what it adds to the score) of each object, in pasting order.
        veil_share: share of the picture under the veil, in [0, 1].
        signal: the score before noise.
    """

    objects: tuple[tuple[str, float, float], ...]
    veil_share: float
    signal: float


def draw(design: str, rng: np.random.Generator) -> Content:
    """Draw what a picture of a design (one of `options.DESIGNS`) holds, and its signal."""
    if design in ("spot", "mixed"):
        # The strongest is pasted last, so that no other hides it.
        strongest = float(rng.uniform(MIN_STRONGEST, 1))
        fainter = rng.uniform(MIN_FAINTER, strongest, int(rng.integers(0, MAX_OBJECTS)))
        cats = tuple(("cat", float(opacity), 0.0) for opacity in fainter) + (("cat", strongest, strongest),)
        share = float(rng.uniform(MIN_VEIL, MAX_VEIL)) if design == "mixed" else 0.0
        return Content(cats, share, strongest - share)
    kinds, share = draw_content(rng)
    if design == "whole":
        return Content(tuple((kind, 1.0, 0.0) for kind in kinds), share, -share)
    return Content(tuple((kind, 1.0, EFFECTS[kind]) for kind in kinds), share, signal(kinds, share))


def draw_content(rng: np.random.Generator) -> tuple[tuple[str, ...], float]:
    """Draw a picture of `sum`: kinds of objects (each at most once, in pasting order), and the veil's share."""
    count = int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
    kinds = tuple(KINDS[i] for i in rng.permutation(len(KINDS))[:count])
    return kinds, float(rng.uniform(MIN_VEIL, MAX_VEIL))


def signal(kinds: Iterable[str], veil_share: float) -> float:
    """Return the signal of the design `sum` for a picture that holds `kinds`, under a veil of `veil_share` in [0, 1].

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
