"""What people said about the pairs of a dataset of pictures: soft labels, weights and votes, in a file beside it."""

import csv
import dataclasses
import math
import os

import numpy as np

# Beside a dataset of pictures that has pairs of its own.
FILE = "judged_pairs.csv"
_HEADER = ["left", "right", "label", "weight", "left_votes", "right_votes", "random"]


@dataclasses.dataclass(frozen=True)
class JudgedPairs:
    """What is known about p pairs, beside which picture is ahead.

    Attributes:
        label: [p] in [1/2, 1], the chance that the picture in column 0 is the better one; 1/2 is a tie.
        weight: [p] >= 0, how much the pair counts in training.
        votes: [p, 2] votes for the pictures in columns 0 and 1; NaN where there are none.
        random: [p] bool, pairs that were drawn at random; others may have been chosen because they are hard. None if
            nothing is known.
    """

    label: np.ndarray
    weight: np.ndarray
    votes: np.ndarray
    random: np.ndarray | None = None

    def take(self, chosen) -> "JudgedPairs":
        """Select pairs by index or mask."""
        random = None if self.random is None else self.random[chosen]
        return JudgedPairs(self.label[chosen], self.weight[chosen], self.votes[chosen], random)


def write(folder, rows):
    """Write the pairs of a dataset: rows of (left id, right id, label, weight, left votes or None,
    right votes or None, whether it was drawn at random as 0 or 1)."""
    with open(os.path.join(folder, FILE), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        writer.writerows([["" if value is None else value for value in row] for row in rows])


def there(folder):
    """Tell whether a dataset of pictures has pairs of its own."""
    return os.path.isfile(os.path.join(folder, FILE))


def read(folder, ids):
    """Read the pairs among some pictures of a dataset.

    Args:
        folder: the dataset's folder.
        ids: [n] ids of the pictures; pairs with another picture are passed over.

    Returns:
        (pairs [p, 2] of indices, `JudgedPairs`). In column 0 is the picture that the label puts higher; the left one of
        a tie.

    Raises:
        ValueError: the file is damaged.
    """
    place = {str(name): index for index, name in enumerate(ids)}
    pairs, label, weight, votes, random = [], [], [], [], []
    for left, right, chance, counts, both, drawn in rows(folder):
        if left in place and right in place:
            pair, turned = [place[left], place[right]], chance < 0.5
            pairs.append(pair[::-1] if turned else pair)
            label.append(1 - chance if turned else chance)
            weight.append(counts)
            votes.append(both[::-1] if turned else both)
            random.append(drawn)
    judged = JudgedPairs(
        np.array(label, float),
        np.array(weight, float),
        np.array(votes, float).reshape(-1, 2),
        np.array(random, bool) if any(random) else None,
    )
    return np.array(pairs, np.int64).reshape(-1, 2), judged


def rows(folder):
    """Yield the rows that `write` wrote: left id, right id, label, weight, [left votes, right votes] (NaN: none),
    whether it was drawn at random.

    Raises:
        ValueError: the file is damaged.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != _HEADER:
                raise ValueError(f"got another header, expected {','.join(_HEADER)}")
            for left, right, label, weight, *votes, random in reader:
                both = [float(one) if one else math.nan for one in votes]
                if len(both) != 2 or not 0 <= float(label) <= 1 or not 0 <= float(weight) < math.inf:
                    raise ValueError(f"line {reader.line_num}: got {left}, {right}, {label}, {weight}, {votes}")
                yield left, right, float(label), float(weight), both, random == "1"
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): build the dataset again") from error
