"""Bootstrap intervals, and the independent units of a set of pictures that a bootstrap may draw."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

# A measure: {"value", "low", "high"}. Undefined values are None.
Interval = dict[str, float | None]

CLUSTERS = 30  # Minimum number of sets of pictures for drawing whole sets.


@dataclasses.dataclass(frozen=True)
class Units:
    """The units of a bootstrap: single pictures, or sets of pictures such that no pair connects two sets.

    Pairs are never units. Pairs that share a picture share its error: a bootstrap of 80,000 pairs of 400 pictures would
    treat them as 80,000 independent observations, and its intervals would be several times too narrow.

    Attributes:
        kind: "picture", "group" (of the dataset) or "set" (of pictures that pairs connect).
        members: indices of each unit's pictures.
        number: [n], unit of each picture.
    """

    kind: str
    members: list[np.ndarray]
    number: np.ndarray

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def of(cls, count: int, pairs: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> "Units":
        """Chooses the units of `count` pictures.

        With groups, the units are the groups if there are at least `CLUSTERS` of them, otherwise the pictures. Without
        groups, they are the sets of pictures that pairs connect, if each holds at most one `CLUSTERS`-th of all
        pictures, otherwise the pictures. (UIV's pairs share no pictures, so there each pair is a set.)
        """
        pictures = cls("picture", list(np.arange(count)[:, None]), np.arange(count))
        if groups is not None and len(members := members_of(groups, count)) > 1:
            return (
                pictures
                if len(members) < CLUSTERS
                else cls("group", members, np.unique(np.asarray(groups), return_inverse=True)[1])
            )
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        graph = sparse.coo_array((np.ones(len(pairs), bool), pairs.T), shape=(count, count))
        number = sparse.csgraph.connected_components(graph, directed=False)[1]
        if np.bincount(number).max() * CLUSTERS <= count:
            return cls("set", members_of(number, count), number)
        return pictures

    def pictures(self, index: np.ndarray) -> np.ndarray:
        """Lists the pictures of the drawn units, each as often as its unit was drawn."""
        return index if self.kind == "picture" else np.concatenate([self.members[one] for one in index])

    def times(self, index: np.ndarray) -> np.ndarray:
        """Counts how often each picture was drawn, [n] floats."""
        return np.bincount(index, minlength=len(self)).astype(np.float64)[self.number]

    def pair_weight(self, index: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Counts how often each pair was drawn, [p].

        A pair within a unit counts as often as the unit. A pair of two units (single pictures) counts the product of
        how often each was drawn. A picture and its own copy are not a pair.
        """
        times = self.times(index)
        return times[pairs[:, 0]] * times[pairs[:, 1]] if self.kind == "picture" else times[pairs[:, 0]]


def members_of(groups: npt.ArrayLike | None, count: int) -> list[np.ndarray]:
    """Lists the indices of each group's pictures. `groups=None` means that all are in one group."""
    if groups is None:
        return [np.arange(count)]
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])


def bootstrap(
    statistic: Callable[[np.ndarray], dict[str, float]], count: int, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Computes several measures and their 95 % percentile bootstrap intervals, all from the same resamples.

    Args:
        statistic: function from [count] indices of units, some repeated, to {name: value}; NaN if undefined.
        count: number of units.
        resamples, seed: number of resamples, and their seed.

    Returns:
        {name: {"value", "low", "high"}}. Resamples in which a measure is undefined are left out of its interval.
        Undefined values are None.
    """
    values = statistic(np.arange(count))
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, count, count)) for _ in range(resamples)]
    return {name: summary(value, [one[name] for one in drawn]) for name, value in values.items()}


def summary(value: float, drawn: npt.ArrayLike) -> Interval:
    """Summarises a measure and its values in resamples as {"value", "low", "high"}. NaN becomes None."""
    drawn = np.asarray(drawn, np.float64)
    defined = drawn[~np.isnan(drawn)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return {key: None if np.isnan(one) else float(one) for key, one in (("value", value), ("low", low), ("high", high))}


def weighted_bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], count: int, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Like `bootstrap`, for one measure that is computed from weights, many resamples in one call.

    Args:
        statistic: function from [r, count] (how often each unit was drawn) to [r] values.
    """
    value = statistic(np.ones((1, count)))[0]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    with np.errstate(invalid="ignore"):
        return summary(value, statistic(drawn.astype(np.float64)))
