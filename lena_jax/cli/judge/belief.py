"""What is known about the strengths of pictures after some choices, updated choice by choice, and what to ask next.

Each strength is normal and independent of the others: `t_i ~ N(mean_i, variance_i)`. A choice of i over j has the
Bradley-Terry probability `sigmoid(t_i - t_j)`. Its posterior is not normal, and is replaced by the normal one with the
same first two derivatives of its log evidence (assumed density filtering). An update takes the same time whatever the
number of pictures, so the page can ask the next pair at once; `data_prep rank` fits the model without these shortcuts.
"""

import numpy as np

SPREAD = 2.0  # Standard deviation of strengths before the first choice.
# How wrong a trained model's scores may be, as strengths: with it, about as many choices as for a picture asked twice.
MODEL_ERROR = 1.0
# So many other pictures are tried beside the least known one.
_TRIED = 300


class Belief:
    """The strengths of n pictures.

    Args:
        count: number of pictures, n.
        mean: [n] strengths to start from, such as the scores of a trained model; None for 0.

    Attributes:
        mean: [n].
        variance: [n].
        choices: how many choices were learned.
    """

    def __init__(self, count, mean=None):
        self.mean = np.zeros(count) if mean is None else np.array(mean, float)
        self.variance = np.full(count, (SPREAD if mean is None else MODEL_ERROR) ** 2)
        self.choices = 0

    def learn(self, left, right, label):
        """Learn one choice: `label` is 1 if left was chosen, 0 if right, 1/2 for a tie."""
        shrunk, likely = self._likely(left, right)
        slope, curvature = shrunk * (label - likely), shrunk**2 * likely * (1 - likely)
        for one, sign in ((left, 1), (right, -1)):
            variance = self.variance[one]
            self.mean[one] += sign * variance * slope
            self.variance[one] = variance * (1 - variance * curvature)
        self.choices += 1

    def reliability(self):
        """Return the share of the strengths' variance that is known, in [0, 1]: 1 - mean variance / total variance."""
        known = self.mean.var()
        return float(known / (known + self.variance.mean())) if known else 0.0

    def cost_of_a_point(self):
        """Return how many more choices raise the reliability by 0.01; None before the first and near 1.

        The part that is not known falls as 1 / choices, so reliability is n / (n + k) after n choices.
        """
        now = self.reliability()
        if not 0 < now < 0.985:
            return None
        k = self.choices * (1 - now) / now
        return max(1, round(k * (now + 0.01) / (0.99 - now) - self.choices))

    def informative(self, usable, asked, rng):
        """Choose the picture that is known least, and beside it the one with which an answer tells most.

        What an answer tells is how much it lowers the variances of both, `(v_i^2 + v_j^2) k^2 p (1 - p)` as in `learn`.
        So all pictures are asked about equally often, against others of like strength that are little known too.

        Args:
            usable: [n] bool, pictures that may be shown.
            asked: set of (i, j), i < j, not to ask again.
            rng: `np.random.Generator`; draws the pictures that are tried, and breaks ties.

        Returns:
            (left, right), in random order; None if no pair that was not asked is found.
        """
        there = rng.permutation(np.flatnonzero(usable))
        if len(there) < 2:
            return None
        one = int(there[np.argmax(self.variance[there])])
        others = np.array(
            [j for j in there[:_TRIED].tolist() if j != one and (min(one, j), max(one, j)) not in asked], int
        )
        if not len(others):
            return random_pair(usable, asked, rng)
        shrunk, likely = self._likely(one, others)
        told = (self.variance[one] ** 2 + self.variance[others] ** 2) * shrunk**2 * likely * (1 - likely)
        pair = one, int(others[np.argmax(told)])
        return pair if rng.integers(2) else pair[::-1]

    def _likely(self, left, right):
        """Return how far uncertainty shrinks a difference, and the chance that left is chosen."""
        shrunk = 1 / np.sqrt(1 + np.pi / 8 * (self.variance[left] + self.variance[right]))
        return shrunk, 1 / (1 + np.exp(-shrunk * (self.mean[left] - self.mean[right])))


def random_pair(usable, asked, rng):
    """Draw a pair that was not asked, uniformly, in random order; None if there is none.

    Args:
        usable, asked, rng: see `Belief.informative`.
    """
    there = np.flatnonzero(usable)
    if len(there) < 2:
        return None
    for _ in range(100):
        left, right = (int(one) for one in rng.choice(there, 2, replace=False))
        if (min(left, right), max(left, right)) not in asked:
            return left, right
    # Nearly all pairs were asked: look through them.
    known = np.zeros((len(usable), len(usable)), bool)
    if asked:
        known[tuple(np.array(list(asked)).T)] = True
    left, right = np.nonzero(np.triu(usable[:, None] & usable & ~known, 1))
    if not len(left):
        return None
    chosen = rng.integers(len(left))
    pair = int(left[chosen]), int(right[chosen])
    return pair if rng.integers(2) else pair[::-1]
