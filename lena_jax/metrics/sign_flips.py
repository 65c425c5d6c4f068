"""The sign-flip test: is the mean of independent differences further from 0 than random signs would make it?"""

import numpy as np
import numpy.typing as npt

EXACT_UP_TO = 14  # 2^14 patterns of signs.


def sign_flip_test(differences: npt.ArrayLike, flips: int = 10_000, seed: int = 0) -> float:
    """Computes a two-sided p-value; the null hypothesis is that the differences are independent and symmetric about 0.

    Under the null hypothesis, all patterns of signs are equally likely. The p-value is the share of patterns whose mean
    is at least as far from 0 as the observed one. Up to 14 nonzero differences, all patterns are counted and the test
    is exact. Beyond that, `flips` random patterns and the observed one are counted, and the test is exact up to that
    draw. If differences have mean 0 but are skewed, the test holds asymptotically, like Student's t test. The
    differences may be those of two models over folds or seeds, or the pseudo-values of `compare_models`.

    Args:
        differences: [u], finite.
        flips: number of random patterns.
        seed: seed of their draw.

    Returns:
        p in (0, 1]; 1 if every difference is 0. With u differences, p is at least 2 / 2^u.

    Raises:
        ValueError: there are no differences, or one is not finite.

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
    # Rounding in another order of addition must not put a pattern with the observed sum below it.
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
