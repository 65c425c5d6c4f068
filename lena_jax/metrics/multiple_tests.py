"""Correct p-values for multiple tests, by Holm's method."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Computes Holm's adjusted p-values.

    If you reject every hypothesis whose adjusted p-value is at most alpha, the probability of any wrong rejection is at
    most alpha. With p_(1) <= ... <= p_(m), `adjusted_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))`. The tests may
    depend on each other, as tests against a common baseline do.

    Args:
        p_values: numbers in [0, 1], or None for an untested hypothesis, which does not count.

    Returns:
        A list of the same length, with None in the same places.

    Raises:
        ValueError: a number is outside [0, 1].

    Example:
        >>> holm([0.01, 0.04, None, 0.03])
        [0.03, 0.06, None, 0.06]

    Reference: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics, 1979.
    """
    tested = [place for place, p in enumerate(p_values) if p is not None]
    p = np.array([p_values[place] for place in tested], np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must be in [0, 1], got {p.tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]), 1)
    result: list[float | None] = [None] * len(p_values)
    for place, value in zip(order, adjusted, strict=True):
        result[tested[place]] = float(value)
    return result
