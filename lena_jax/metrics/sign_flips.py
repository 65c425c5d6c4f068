"""The sign-flip test: whether the mean of independent differences is more than their signs could give by chance."""

import numpy as np
import numpy.typing as npt

EXACT_UP_TO = 14  # 2^14 patterns of signs.


def sign_flip_test(differences: npt.ArrayLike, flips: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of the hypothesis that the differences are independent and symmetric about 0.

    Under it every pattern of signs of the same sizes was equally likely; p is the share of the patterns whose mean is
    at least as far from 0 as the one observed. Up to 14 differences that are not 0 every pattern is counted and the
    test is exact; beyond that `flips` random ones and the observed one are, and it is exact up to the draw. Where
    differences have mean 0 but are skewed, the test holds asymptotically, as Student's t test does. The differences may
    be those of two models over the folds or seeds of an experiment, or the pseudo-values of `compare_models`.

    Args:
        differences: [u], finite.
        flips: how many random patterns.
        seed: of their draw.

    Returns:
        p in (0, 1]; 1 where every difference is 0. With u differences no p is below 2 / 2^u.

    Raises:
        ValueError: for no difference, or one that is not finite.

    Example:
        >>> sign_flip_test([0.4, 0.1, 0.3, 0.2])  # 2 of the 16 patterns of signs.
        0.125

    Reference: Fisher, The Design of Experiments, 1935; Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989.
    """
    differences = np.asarray(differences, np.float64)
    if not len(differences) or not np.isfinite(differences).all():
        raise ValueError(f"differences must be at least one and finite, got {differences.tolist()[:5]}")
    differences = differences[differences != 0]
    count = len(differences)
    # A pattern that gives the observed sum in another order of addition must not fall short of it.
    least = abs(differences.sum()) * (1 - 1e-9)
    if count <= EXACT_UP_TO:
        signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        return float(np.mean(np.abs(signs @ differences) >= least))
    rng = np.random.default_rng(seed)
    rows = max(1, 2_000_000 // count)
    extreme = sum(
        int((np.abs(rng.choice((-1.0, 1.0), (min(rows, flips - done), count)) @ differences) >= least).sum())
        for done in range(0, flips, rows)
    )
    return (1 + extreme) / (1 + flips)
