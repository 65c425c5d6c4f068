"""What is known about the strengths of pictures after some choices, updated choice by choice, and what to ask next.

Each strength is normal and independent of the others: `t_i ~ N(mean_i, variance_i)`. A choice of i over j has the
Bradley-Terry probability `sigmoid(t_i - t_j)`. Its posterior is not normal, and is replaced by the normal one with the
same first two derivatives of its log evidence (assumed density filtering). An update takes the same time whatever the
number of pictures, so the page can ask the next pair at once; `data_prep rank` fits the model without these shortcuts.

How far strengths are spread, which is how steadily people choose, is not known before. Several spreads are followed at
once, and the most probable one after the choices so far is believed.
"""

import numpy as np

# Standard deviations of strengths before the first choice. Of two pictures, the better one is chosen in 55 % to 90 %.
SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0)
# A model's scores may be on another scale than strengths.
_SCALES = (0.5, 1.0, 2.0)
# So many other pictures are tried beside the least known one.
_TRIED = 300


class Belief:
    """The strengths of n pictures.

    Args:
        count: number of pictures, n.
        start: [n] scores of a trained model to start from; strengths are spread around a multiple of them. None for 0.

    Attributes:
        choices: how many choices were learned.
    """

    def __init__(self, count, start=None):
        centre = np.zeros(count) if start is None else np.asarray(start, float) - np.mean(start)
        kinds = [(spread, scale) for scale in ((1.0,) if start is None else _SCALES) for spread in SPREADS]
        self._means = np.array([scale * centre for _, scale in kinds])
        self._variances = np.array([np.full(count, spread**2) for spread, _ in kinds])
        self._odds_before = self._odds()
        # Before there are choices, 1 is the likeliest spread and scale; to be twice as far off is less likely.
        self._evidence = np.array([-0.5 * (np.log2(spread) ** 2 + np.log2(scale) ** 2) for spread, scale in kinds])
        self.choices = 0

    @property
    def mean(self):
        """The strengths [n] under the most probable spread."""
        return self._means[self._best]

    @property
    def variance(self):
        """Their variances [n]."""
        return self._variances[self._best]

    def learn(self, left, right, label):
        """Learn one choice: `label` is 1 if left was chosen, 0 if right, 1/2 for a tie."""
        sides = self._variances[:, left], self._variances[:, right]
        shrunk, likely = _likely(self._means[:, left] - self._means[:, right], sides[0] + sides[1])
        slope, curvature = shrunk * (label - likely), shrunk**2 * likely * (1 - likely)
        for one, variance, sign in ((left, sides[0], 1), (right, sides[1], -1)):
            self._means[:, one] += sign * variance * slope
            self._variances[:, one] = variance * (1 - variance * curvature)
        self._evidence += label * np.log(likely) + (1 - label) * np.log1p(-likely)
        self.choices += 1

    def reliability(self):
        """Return the share of the strengths' variance that is known, in [0, 1]: known / (known + mean variance)."""
        odds = self._odds()[self._best]
        return float(odds / (1 + odds))

    def cost_of_a_point(self):
        """Return how many more choices raise the reliability by 0.01; None where nothing is learned yet, and near 1.

        The odds of the reliability, known variance : unknown variance, grow in proportion to the number of choices.
        """
        odds, before = self._odds()[self._best], self._odds_before[self._best]
        wanted = odds / (1 + odds) + 0.01
        if wanted >= 0.995 or odds <= before:
            return None
        return max(1, round((wanted / (1 - wanted) - odds) * self.choices / (odds - before)))

    def informative(self, usable, asked, rng):
        """Choose the picture that is known least, and beside it the one with which an answer tells most.

        What an answer tells is how much it lowers the variances of both, `(v_i^2 + v_j^2) k^2 p (1 - p)` as in `learn`.
        So all pictures are asked about equally often, against others of like strength that are little known too.

        Args:
            usable: [n] bool, pictures that may be shown.
            asked: set of (i, j), i < j, not to ask again.
            rng: `np.random.Generator`; draws the pictures that are tried, and breaks ties.

        Returns:
            (left, right), in random order; None if every pair was asked.
        """
        mean, variance = self.mean, self.variance
        there = rng.permutation(np.flatnonzero(usable))
        if len(there) < 2:
            return None
        one = int(there[np.argmax(variance[there])])
        others = [j for j in there[:_TRIED].tolist() if j != one and (min(one, j), max(one, j)) not in asked]
        if not others:
            return random_pair(usable, asked, rng)
        shrunk, likely = _likely(mean[one] - mean[others], variance[one] + variance[others])
        told = (variance[one] ** 2 + variance[others] ** 2) * shrunk**2 * likely * (1 - likely)
        pair = one, others[np.argmax(told)]
        return pair if rng.integers(2) else pair[::-1]

    @property
    def _best(self):
        return int(np.argmax(self._evidence))

    def _odds(self):
        return self._means.var(1) / self._variances.mean(1)


def _likely(difference, variance):
    """Return how far uncertainty shrinks a difference, and the chance that the first is chosen."""
    shrunk = 1 / np.sqrt(1 + np.pi / 8 * variance)
    return shrunk, 1 / (1 + np.exp(-shrunk * difference))


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
