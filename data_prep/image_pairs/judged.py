"""From rows of a table to pairs with labels and weights: rows of the same two pictures add up."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from data_prep.image_pairs import labels
from data_prep.image_pairs.table import Row
from data_prep.image_scores.transforms import Prior, fit_prior


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures with all that the table says about them.

    Attributes:
        left, right: ids.
        label: chance that left is the better one.
        weight: how much the pair counts in training.
        votes: votes for left and right, if there are votes.
        split: its split.
        random: whether a row drew it at random.
    """

    left: str
    right: str
    label: float
    weight: float
    votes: tuple[float, float] | None
    split: str
    random: bool = False

    def values(self) -> tuple:
        """Return the row of `lena_jax.data.judged_pairs`."""
        return self.left, self.right, self.label, self.weight, *(self.votes or (None, None)), int(self.random)


def prior_of(rows: Sequence[Row], strength: float | None = None) -> Prior | None:
    """Estimate the beta prior of click rates from a table with counts; None for one without.

    A variant that is in several rows of one test counts once.

    Args:
        rows: the rows of a table.
        strength: strength of the prior in views; None estimates it.

    Raises:
        ValueError: a strength that is not above 0.
    """
    if strength is not None and not 0 < strength < np.inf:
        raise ValueError(f"strength of the prior: got {strength}, expected a number of views above 0")
    sides = {
        (row.test or row.number, name, counts)
        for row in rows
        if row.clicks
        for name, counts in ((row.left, row.clicks[:2]), (row.right, row.clicks[2:]))
    }
    if not sides:
        return None
    prior = fit_prior(*np.array([counts for *_, counts in sorted(sides, key=str)]).T)
    return prior if strength is None else Prior(prior.rate, float(strength))


def pairs_of(rows: Sequence[Row], prior: Prior | None) -> list[Pair]:
    """Add up the rows of the same two pictures, and give each pair its label and weight.

    Votes and counts of one test and split add up; rows with a label stay as they are, with a weight of 1. Weights of
    votes and counts are the information of the label, see `labels`; a test's weights are divided by its number of
    pairs.

    Args:
        rows: the rows of a table.
        prior: of click rates, from `prior_of`.

    Returns:
        The pairs, ordered by ids, so that the order of the rows changes nothing.
    """
    merged: dict[tuple, np.ndarray] = {}
    random = set()
    for row in rows:
        turned = row.right < row.left
        left, right = (row.right, row.left) if turned else (row.left, row.right)
        if row.votes:
            given = row.votes[::-1] if turned else row.votes
        elif row.clicks:
            given = (*row.clicks[2:], *row.clicks[:2]) if turned else row.clicks
        else:
            given = (1 - row.label if turned else row.label,)
        # Labels are not counts: they do not add up.
        key = (left, right, row.split, row.test, len(given), row.number if row.label is not None else 0)
        merged[key] = merged.get(key, 0) + np.array(given, float)
        if row.random:
            random.add(key)
    keys = sorted(merged, key=str)
    label, weight = np.empty(len(keys)), np.ones(len(keys))
    for kind, rule in ((1, lambda one: one[:, 0]), (2, lambda one: labels.of_votes(*one.T)), (4, _by_clicks(prior))):
        here = [index for index, key in enumerate(keys) if key[4] == kind]
        if here:
            label[here] = rule(np.array([merged[keys[index]] for index in here]))
            if kind > 1:
                weight[here] = labels.information(label[here])
    weight = labels.once_per_test(weight, [key[3] for key in keys])
    return [
        Pair(
            key[0],
            key[1],
            float(label[index]),
            float(weight[index]),
            tuple(float(one) for one in merged[key]) if key[4] == 2 else None,
            key[2],
            key in random,
        )
        for index, key in enumerate(keys)
    ]


def _by_clicks(prior):
    return lambda counts: labels.of_clicks(*counts.T, prior)


def names_of(pairs: Iterable[Pair]) -> list[str]:
    """Return the ids of all pictures of some pairs, sorted."""
    return sorted({name for pair in pairs for name in (pair.left, pair.right)})
