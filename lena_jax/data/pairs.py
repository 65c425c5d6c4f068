"""Decide which pairs of scored pictures are comparable, draw pairs, and read and write lists of pairs.

Builders, training and evaluation share this one rule.
"""

import csv
import os

import numpy as np

_HEADER = ["id_high", "id_low"]


class ComparablePairs:
    """All comparable pairs of scored pictures, addressed by rank without listing them.

    Two pictures are comparable if they are in the same group and their scores are different, by at least `min_gap`.
    The pairs have a fixed order (by group, then score), so each rank `r` in `[0, len(self))` names one pair. To draw
    pairs, draw ranks. Memory is O(n) for up to n(n-1)/2 pairs.

    Args:
        scores: [n], finite; a higher score means more viral, more appealing and so on.
        groups: [n] of any sortable type, or None if every picture may be compared with every other.
        min_gap: least difference of the scores, >= 0.

    Raises:
        ValueError: shapes differ, a score is not finite, or `min_gap` is negative.
    """

    def __init__(self, scores, groups=None, min_gap=0.0):
        scores = np.asarray(scores, np.float64)
        if scores.ndim != 1:
            raise ValueError(f"scores must be a vector, got shape {scores.shape}")
        if not np.isfinite(scores).all():
            raise ValueError(
                f"scores must be finite, got {scores[~np.isfinite(scores)][0]} at index "
                f"{int(np.flatnonzero(~np.isfinite(scores))[0])}"
            )
        if min_gap < 0:
            raise ValueError(f"min_gap must be at least 0, got {min_gap}")
        group = np.zeros(len(scores), np.int64)
        if groups is not None:
            if len(groups) != len(scores):
                raise ValueError(f"groups and scores must have the same length, got {len(groups)} and {len(scores)}")
            group = np.unique(np.asarray(groups), return_inverse=True)[1]
        self._order = np.lexsort((scores, group))
        sorted_scores, sorted_group = scores[self._order], group[self._order]
        # In this order, the pictures that are comparable with picture i and above it are one run, [first[i], end[i]).
        self._first = np.empty(len(scores), np.int64)
        end = np.empty(len(scores), np.int64)
        bounds = np.flatnonzero(np.diff(sorted_group, prepend=-1))
        for start, stop in zip(bounds, [*bounds, len(scores)][1:], strict=True):
            run = sorted_scores[start:stop]
            # The score must be above, by at least the gap: take the later of the two positions.
            first = np.maximum(np.searchsorted(run, run + min_gap, "left"), np.searchsorted(run, run, "right"))
            self._first[start:stop], end[start:stop] = start + first, stop
        self._cumulative = np.concatenate([[0], np.cumsum(end - self._first)])

    def __len__(self):
        return int(self._cumulative[-1])

    @property
    def pictures(self):
        """Number of pictures, n."""
        return len(self._order)

    def partners(self):
        """For each picture, count the pictures that are comparable with it and above it: [n]."""
        partners = np.empty(len(self._order), np.int64)
        partners[self._order] = np.diff(self._cumulative)
        return partners

    def at(self, ranks):
        """Return the pairs with the given ranks.

        Args:
            ranks: [p] integers in `[0, len(self))`.

        Returns:
            [p, 2] picture indices; column 0 has the higher score.
        """
        ranks = np.asarray(ranks, np.int64)
        low = np.searchsorted(self._cumulative, ranks, "right") - 1
        high = self._first[low] + ranks - self._cumulative[low]
        return np.stack([self._order[high], self._order[low]], -1)

    def draw(self, count, rng):
        """Draw pairs uniformly with replacement. Which picture is left is drawn with equal chance.

        Args:
            count: number of pairs.
            rng: `np.random.Generator`.

        Returns:
            pairs [count, 2] (left, right) and label [count] float32: 1 if left has the higher score, else 0.

        Raises:
            ValueError: no two pictures are comparable.
        """
        if not len(self):
            raise ValueError(
                "no two pictures are comparable: got 0 pairs of the same group with different scores "
                "(and at least the minimum gap), expected at least 1"
            )
        pairs = self.at(rng.integers(len(self), size=count))
        label = rng.integers(2, size=count)
        return np.where(label[:, None] == 1, pairs, pairs[:, ::-1]), label.astype(np.float32)

    def some(self, most, seed=0):
        """Return all pairs, or `most` random different ones if there are more; column 0 has the higher score."""
        if len(self) <= most:
            return self.at(np.arange(len(self)))
        return self.at(np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False, shuffle=False)))


def pairs_within(scores, groups=None, min_gap=0.0):
    """List all pairs among the pictures of one batch. Weights mark the comparable ones, so the shape is fixed.

    Args:
        scores: [n].
        groups: [n] or None.
        min_gap: see `ComparablePairs`.

    Returns:
        pairs [n(n-1)/2, 2], label [n(n-1)/2] in {0, 1/2, 1} (1/2: equal scores), and weight [n(n-1)/2]: 1 if
        comparable, else 0.
    """
    scores = np.asarray(scores, np.float64)
    left, right = np.triu_indices(len(scores), 1)
    high, low = np.maximum(scores[left], scores[right]), np.minimum(scores[left], scores[right])
    comparable = (high > low) & (high >= low + min_gap)  # Rounds like `ComparablePairs`.
    if groups is not None:
        groups = np.asarray(groups)
        comparable &= groups[left] == groups[right]
    label = (np.sign(scores[left] - scores[right]) + 1) / 2
    return np.stack([left, right], -1), label.astype(np.float32), comparable.astype(np.float32)


def write_pairs(file, ids, pairs):
    """Write pairs as CSV with the columns `id_high` and `id_low`.

    Args:
        file: text file, opened with `newline=""`.
        ids: [n], ids of the pictures.
        pairs: [p, 2] indices; column 0 is the picture with the higher score.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(np.asarray(ids)[pairs])


def read_pairs(path, ids):
    """Read pairs of known pictures.

    Args:
        path: file that `write_pairs` wrote.
        ids: [n], ids of the pictures that the pairs may name.

    Returns:
        [p, 2] indices into `ids`, in the order of the file.

    Raises:
        ValueError: no such file, another format, a picture paired with itself, no pair at all, or unknown ids (the
            message has the first and their number).
    """
    if not os.path.isfile(path):
        raise ValueError(f"no such file of pairs: {path}")
    index = {str(name): number for number, name in enumerate(ids)}
    pairs, unknown = [], {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != _HEADER:
                raise ValueError(f"{path}: got the header {','.join(header)!r}, expected {','.join(_HEADER)!r}")
            for row in reader:
                if len(row) != 2 or row[0] == row[1]:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: got {','.join(row)!r}, expected two different ids"
                    )
                unknown.update((name, reader.line_num) for name in row if name not in index and name not in unknown)
                pairs.append([index.get(name, -1) for name in row])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV in UTF-8: {error}") from error
    if unknown:
        first, line = next(iter(unknown.items()))
        raise ValueError(
            f"{path}, line {line}: the id {first!r} is none of the {len(index)} evaluated pictures; "
            f"{len(unknown)} ids in the file are unknown, expected 0"
        )
    if not pairs:
        raise ValueError(f"{path}: has no pairs, expected at least one")
    return np.array(pairs, np.int64)
