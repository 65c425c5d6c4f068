"""Split pictures and keep together what must stay together: equal pictures, and units (an author, a series)."""

import numpy as np
from scipy import sparse


def kept_together(*keys):
    """Number the sets of things that equal keys connect.

    Two things with an equal key are in the same set, and connections chain: if two authors posted the same picture, all
    pictures of both are in one set.

    Args:
        keys: each [n] str; an empty string equals nothing.

    Returns:
        [n] int, the number of each thing's set. Sets are numbered in the order of their first members.

    Raises:
        ValueError: the keys differ in length.
    """
    lengths = sorted({len(key) for key in keys})
    if len(lengths) != 1:
        raise ValueError(f"keys must have the same length, got {lengths}")
    count = lengths[0]
    first, other = [], []
    for key in keys:
        key = np.asarray(key)
        known = np.flatnonzero(key != "")
        _, where, number = np.unique(key[known], return_index=True, return_inverse=True)
        first.append(known[where[number]])
        other.append(known)
    first, other = np.concatenate(first), np.concatenate(other)
    graph = sparse.coo_array((np.ones(len(first), bool), (first, other)), shape=(count, count))
    label = sparse.csgraph.connected_components(graph, directed=False)[1]
    _, where, number = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(where))[number]


def split_evenly(sets, count, rng):
    """Split things into `count` random parts of (almost) equal size without breaking up a set.

    Sets with several members are placed first, largest first, each into the part with the most room. Single things then
    fill the parts. If every set has one member, the parts are pieces of one permutation; sizes differ by at most one.

    Args:
        sets: [n] int, as `kept_together` numbers them.
        count: number of parts, at least 2.
        rng: `np.random.Generator`.

    Returns:
        A list of `count` index arrays, each sorted and not empty, that together hold every index once.

    Raises:
        ValueError: unless 2 <= count <= number of sets.
    """
    sizes = np.bincount(np.asarray(sets, np.int64)) if len(sets) else np.zeros(0, np.int64)
    if not 2 <= count <= len(sizes):
        raise ValueError(
            f"folds must be between 2 and the number of units ({len(sizes)}, of {len(sets)} pictures; "
            f"equal pictures and those of one unit stay together), got {count}"
        )
    order = rng.permutation(len(sizes))
    room = np.array([len(part) for part in np.array_split(np.arange(len(sets)), count)])
    part_of = np.empty(len(sizes), np.int64)
    several = order[sizes[order] > 1]
    for one in several[np.argsort(-sizes[several], kind="stable")]:
        part_of[one] = np.argmax(room)
        room[part_of[one]] -= sizes[one]
    single = order[sizes[order] == 1]
    # Parts that are already too full get no single things; the others share them.
    share = np.maximum(room, 0)
    while share.sum() > len(single):
        share[np.argmax(share)] -= 1
    part_of[single] = np.repeat(np.arange(count), share)
    return [np.flatnonzero(part_of[sets] == part) for part in range(count)]


def take_share(sets, share, rng):
    """Take a random share of things without breaking up a set.

    Sets are visited in random order. A set is taken if that brings the number of things closer to the share.

    Args:
        sets: [n] int, as `kept_together` numbers them.
        share: share of the things to take, in (0, 1).
        rng: `np.random.Generator`.

    Returns:
        Sorted indices; at least one, but not all.

    Raises:
        ValueError: no set or every set would be taken.
    """
    sizes = np.bincount(np.asarray(sets, np.int64)) if len(sets) else np.zeros(0, np.int64)
    taken, wanted = [], share * len(sets)
    for one in rng.permutation(len(sizes)):
        if abs(wanted - sizes[one]) < abs(wanted):
            taken.append(one)
            wanted -= sizes[one]
    if not taken or len(taken) == len(sizes):
        raise ValueError(
            f"a share of {share} of {len(sets)} pictures in {len(sizes)} units is {len(taken)} of the "
            "units (equal pictures and those of one unit stay together), expected some but not all"
        )
    return np.flatnonzero(np.isin(sets, taken))
