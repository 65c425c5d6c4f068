"""What is known about the strengths of pictures after some choices, updated choice by choice, and what to ask next.

Each strength is normal and independent of the others: `t_i ~ N(mean_i, variance_i)`. A choice of i over j has the
Bradley-Terry probability `sigmoid(t_i - t_j)`. Its posterior is not normal, and is replaced by the normal one with the
same first two derivatives of its log evidence (assumed density filtering). An update takes the same time whatever the
number of pictures, so the page can ask the next pair at once; `data_prep rank` fits the model without these shortcuts.
"""

import numpy as np

SPREAD = 1.5  # Standard deviation of strengths before the first choice: two pictures are 4 : 1 on average.
# How wrong a trained model's scores may be, as strengths: with it, about as many choices as for a picture asked twice.
MODEL_ERROR = 1.0
# So many of the least known pictures are tried as one side of the next pair, with all others as the other side.
_TRIED = 32


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
        """Choose the pair whose answer tells most, among the pictures known least and all others.

        The gain is the information of the answer about the difference, to first order: `1/2 log(1 + s^2 c)`, where
        `s^2` is the variance of the difference and c its curvature. So pictures are asked about more or less equally
        often, and against others of like strength.

        Args:
            usable: [n] bool, pictures that may be shown.
            asked: set of (i, j), i < j, not to ask again.
            rng: `np.random.Generator`; breaks ties.

        Returns:
            (left, right), in random order; None if every pair was asked.
        """
        there = rng.permutation(np.flatnonzero(usable))
        first = there[np.argsort(-self.variance[there], kind="stable")[:_TRIED]]
        gain = self._gain(first[:, None], there[None])
        for row, one in enumerate(first):
            gain[row, there == one] = -1
        # Of equal gains the first is taken; `there` is in random order.
        for place in np.argsort(-gain, axis=None, kind="stable"):
            row, column = divmod(int(place), len(there))
            if gain[row, column] < 0:
                break
            pair = int(first[row]), int(there[column])
            if (min(pair), max(pair)) not in asked:
                return pair if rng.integers(2) else pair[::-1]
        return random_pair(usable, asked, rng)

    def _likely(self, left, right):
        """Return how far uncertainty shrinks a difference, and the chance that left is chosen."""
        shrunk = 1 / np.sqrt(1 + np.pi / 8 * (self.variance[left] + self.variance[right]))
        return shrunk, 1 / (1 + np.exp(-shrunk * (self.mean[left] - self.mean[right])))

    def _gain(self, left, right):
        shrunk, likely = self._likely(left, right)
        curvature = shrunk**2 * likely * (1 - likely)
        return 0.5 * np.log1p((self.variance[left] + self.variance[right]) * curvature)


def random_pair(usable, asked, rng):
    """Draw a pair that was not asked, uniformly, in random order; None if there is none, or none was found in time.

    Args:
        usable, asked, rng: see `Belief.informative`.
    """
    there = np.flatnonzero(usable)
    if len(there) < 2:
        return None
    for _ in range(1000):
        left, right = (int(one) for one in rng.choice(there, 2, replace=False))
        if (min(left, right), max(left, right)) not in asked:
            return left, right
    return None
