"""What a bootstrap may draw: the parts of a set of pictures that are independent, and intervals from drawing them."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

# A measure: {"value", "low", "high"}; what is not defined is None.
Interval = dict[str, float | None]

CLUSTERS = 30  # Sets of pictures from which on whole sets are drawn.


@dataclasses.dataclass(frozen=True)
class Units:
    """What is drawn: single pictures, or sets of pictures such that no pair joins two sets.

    Pairs are never drawn singly: those that share a picture share its error, and a bootstrap of 80,000 pairs of 400
    pictures would take them for 80,000 findings and give intervals that are several times too narrow.

    Attributes:
        kind: "picture", "group" (of the data set) or "set" (of pictures that the pairs join).
        members: the indices of each unit's pictures.
        number: [n] the unit of each picture.
    """

    kind: str
    members: list[np.ndarray]
    number: np.ndarray

    def __len__(self) -> int:
        return len(self.members)

    @classmethod
    def of(cls, count: int, pairs: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> "Units":
        """The units of `count` pictures.

        Groups, where there are `CLUSTERS` or more; the pictures, where there are fewer. Without groups the sets of
        pictures that the pairs join, if none holds more than one `CLUSTERS`-th of all pictures (the pairs of UIV share
        no picture: there each pair is such a set). Else the pictures.
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
        """The pictures of the drawn units, a picture as often as its unit was drawn."""
        return index if self.kind == "picture" else np.concatenate([self.members[one] for one in index])

    def pair_weight(self, index: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """How often each pair was drawn, [p].

        A pair within a unit: as often as the unit. A pair of two units (single pictures): as often as both were drawn
        together; a picture and its own copy are no pair.
        """
        times = np.bincount(index, minlength=len(self)).astype(np.float64)[self.number]
        return times[pairs[:, 0]] * times[pairs[:, 1]] if self.kind == "picture" else times[pairs[:, 0]]


def members_of(groups: npt.ArrayLike | None, count: int) -> list[np.ndarray]:
    """The indices of each group's pictures; None stands for one group of all."""
    if groups is None:
        return [np.arange(count)]
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])


def bootstrap(
    statistic: Callable[[np.ndarray], dict[str, float]], count: int, resamples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Values and 95 % percentile bootstrap intervals of several measures, all from the same resamples.

    Args:
        statistic: [count] indices of units, some repeated -> {name: value}, NaN where a measure is not defined.
        count: number of units.
        resamples, seed: how many, and of their draw.

    Returns:
        {name: {"value", "low", "high"}}; resamples in which a measure is not defined are left out of its interval,
        and what is not defined at all is None.
    """
    values = statistic(np.arange(count))
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, count, count)) for _ in range(resamples)]
    return {name: summary(value, [one[name] for one in drawn]) for name, value in values.items()}


def summary(value: float, drawn: npt.ArrayLike) -> Interval:
    """{"value", "low", "high"} of a measure and its values in resamples; NaN becomes None."""
    drawn = np.asarray(drawn, np.float64)
    defined = drawn[~np.isnan(drawn)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return {key: None if np.isnan(one) else float(one) for key, one in (("value", value), ("low", low), ("high", high))}


def weighted_bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], count: int, resamples: int = 1000, seed: int = 0
) -> Interval:
    """As `bootstrap` for one measure that is computed from weights, many resamples in one call.

    Args:
        statistic: [r, count] how often each unit was drawn -> [r] values.
    """
    value = statistic(np.ones((1, count)))[0]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    with np.errstate(invalid="ignore"):
        return summary(value, statistic(drawn.astype(np.float64)))
