"""Turn votes, or clicks and views, into a soft label and a weight for each pair.

The label is the posterior probability that the left picture is the better one. The weight is what that label tells, in
bits. Pure functions: arrays in, arrays out.
"""

import numpy as np
from scipy import special, stats

from data_prep.image_scores.transforms import Prior

_POINTS = 256  # Of the quadrature; the test compares with the exact sum.


def of_votes(left, right) -> np.ndarray:
    """Return the probability that most people would choose the left picture.

    The share `p` of people who would is unknown, and all shares are equally likely before the first vote:

        p ~ Beta(1 + left, 1 + right),   label = P(p > 1/2)

    One vote gives 3/4, two of two 7/8, a tie 1/2. A person who cannot decide gives half a vote to each side.

    Args:
        left: [p] votes for the left pictures, >= 0; halves are allowed.
        right: [p] votes for the right ones.

    Returns:
        [p] in (0, 1); `of_votes(a, b) + of_votes(b, a) = 1`.

    Raises:
        ValueError: a number of votes is negative or not finite.

    Example:
        >>> of_votes([0, 1, 2, 1], [0, 0, 0, 1]).tolist()
        [0.5, 0.75, 0.875, 0.5]
    """
    left, right = _checked("votes", left, right)
    # I_{1/2}(b, a), the chance that the right side's share is below 1/2.
    label = special.betainc(1 + right, 1 + left, 0.5)
    return np.where(left == right, 0.5, label)


def of_clicks(left_clicks, left_views, right_clicks, right_views, prior: Prior) -> np.ndarray:
    """Return the probability that the left picture has the higher click rate.

    Both rates have the same beta prior, of mean `r` (`prior.rate`) and strength `s` views (`prior.strength`):

        rate ~ Beta(s r + clicks, s (1 - r) + views - clicks),   label = P(left rate > right rate)

    No views on a side leave the prior there; no views on both give 1/2.

    Args:
        left_clicks: [p], 0 <= clicks <= views.
        left_views: [p].
        right_clicks: [p].
        right_views: [p].
        prior: prior of the rates, such as `image_scores.transforms.fit_prior` estimates.

    Returns:
        [p] in [0, 1]; swapping left and right gives 1 - label.

    Raises:
        ValueError: clicks above views, a negative or infinite count, or a prior without strength.

    Example:
        >>> of_clicks([30, 0], [1000, 0], [10, 0], [1000, 0], Prior(0.02, 100)).round(3).tolist()
        [0.999, 0.5]
    """
    left_clicks, left_views = _checked("views", left_clicks, left_views)
    right_clicks, right_views = _checked("views", right_clicks, right_views)
    for clicks, views in ((left_clicks, left_views), (right_clicks, right_views)):
        bad = np.flatnonzero(clicks > views)
        if len(bad):
            raise ValueError(
                f"got {clicks[bad[0]]:g} clicks and {views[bad[0]]:g} views at index {bad[0]}, expected clicks <= views"
            )
    if not prior.strength > 0:
        raise ValueError(f"strength of the prior: got {prior.strength}, expected a number of views above 0")
    # Neither parameter may be 0, also where nobody ever clicked.
    rate = np.clip(prior.rate, 1e-9, 1 - 1e-9)
    sides = [
        (prior.strength * rate + clicks, prior.strength * (1 - rate) + views - clicks)
        for clicks, views in ((left_clicks, left_views), (right_clicks, right_views))
    ]
    points, mass = np.polynomial.legendre.leggauss(_POINTS)
    points, mass = (points + 1) / 2, mass / 2

    def ahead(one, other):
        rates = stats.beta.ppf(points, one[0][:, None], one[1][:, None])
        return special.betainc(other[0][:, None], other[1][:, None], rates) @ mass

    # Both orders, so that swapping the sides is exact; chance errors of the quadrature cancel.
    label = (ahead(*sides) + 1 - ahead(*sides[::-1])) / 2
    same = (left_clicks == right_clicks) & (left_views == right_views)
    return np.where(same, 0.5, np.clip(label, 0, 1))


def information(label) -> np.ndarray:
    """Return how much a label tells, in bits: `1 + q log2(q) + (1 - q) log2(1 - q)`.

    0 for a label of 1/2, which says nothing about who is better; 1 for 0 and 1.

    Args:
        label: [p] in [0, 1].

    Raises:
        ValueError: a label outside [0, 1].

    Example:
        >>> information([0.5, 0.75, 1.0]).round(3).tolist()
        [0.0, 0.189, 1.0]
    """
    label = np.asarray(label, float)
    bad = np.flatnonzero(~((label >= 0) & (label <= 1)))
    if len(bad):
        raise ValueError(f"label: got {label[bad[0]]} at index {bad[0]}, expected a number in [0, 1]")
    return np.maximum(0, 1 - (special.entr(label) + special.entr(1 - label)) / np.log(2))


def once_per_test(weight, tests) -> np.ndarray:
    """Divide each pair's weight by the number of pairs of its test, so that a test of many variants counts once.

    Args:
        weight: [p].
        tests: [p] str; an empty one is a test of its own.

    Example:
        >>> once_per_test([1.0, 1.0, 1.0, 1.0], ["a", "a", "a", ""]).round(2).tolist()
        [0.33, 0.33, 0.33, 1.0]
    """
    tests = np.asarray(tests, str)
    _, place, count = np.unique(tests, return_inverse=True, return_counts=True)
    return np.asarray(weight, float) / np.where(tests == "", 1, count[place])


def _checked(what, first, second):
    first, second = np.asarray(first, float), np.asarray(second, float)
    for values in (first, second):
        bad = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
        if len(bad):
            raise ValueError(f"{what}: got {values[bad[0]]} at index {bad[0]}, expected finite numbers, at least 0")
    return first, second
