"""What a build kept and what fell out, by split and reason: as numbers, as a table, and as a limit."""

import math
from collections.abc import Mapping

from data_prep.usable_pictures import REASONS

# Share of a split that may fall out without anybody saying that it may.
MAX_LOSS = 0.5


def check_share(max_loss: float) -> float:
    """Returns `max_loss`, if it is a share in [0, 1].

    Raises:
        ValueError: it is not.
    """
    if not (math.isfinite(max_loss) and 0 <= max_loss <= 1):
        raise ValueError(f"max_loss: got {max_loss}, expected a share from 0 to 1")
    return max_loss


class Losses:
    """Counts a build's examples and pictures.

    Args:
        unit: what an example is: "pairs" or "pictures".
        examples: splits to how many examples they have by the annotations.
        pictures: splits to how many pictures those are of; leave it out where an example is one picture.
        reasons: why a picture may be left out.

    Attributes:
        kept: splits to how many examples were kept.
        left_out: of each picture left out, its id, split, reason and what was wrong with it.
    """

    def __init__(
        self,
        unit: str,
        examples: Mapping[str, int],
        pictures: Mapping[str, int] | None = None,
        reasons: tuple[str, ...] = REASONS,
    ):
        self.unit = unit
        self.reasons = reasons
        self.examples = dict(examples)
        self.pictures = dict(pictures or examples)
        self.kept = dict.fromkeys(examples, 0)
        self.left_out: list[dict[str, str]] = []

    def leave_out(self, split: str, id: str, reason: str, detail: str) -> None:
        """Takes a picture that cannot be used into account."""
        self.left_out.append({"id": id, "split": split, "reason": reason, "detail": detail})

    def summary(self) -> dict[str, dict[str, int]]:
        """Returns for each split the examples, kept and lost; and the pictures, usable and by reason.

        In each split `kept + lost` are the examples, and `usable` and all reasons together the pictures.
        """
        result = {}
        for split, examples in self.examples.items():
            fell = [item["reason"] for item in self.left_out if item["split"] == split]
            numbers = {"kept": self.kept[split], "lost": examples - self.kept[split]}
            if self.unit != "pictures":
                numbers = {self.unit: examples, **numbers}
            numbers |= {"pictures": self.pictures[split], "usable": self.pictures[split] - len(fell)}
            result[split] = numbers | {reason: fell.count(reason) for reason in self.reasons}
        return result

    def check(self, max_loss: float) -> None:
        """Checks each split's lost examples against a share of all it has.

        Raises:
            ValueError: a split lost more, or everything.
        """
        for split, numbers in self.summary().items():
            why = ", ".join(f"{numbers[reason]:,} {_say(reason)}" for reason in self.reasons if numbers[reason])
            self.check_lost(split, numbers["lost"], max_loss, f" (pictures: {why})" if why else "")

    def check_lost(self, split: str, lost: int, max_loss: float, why: str = "") -> None:
        """Checks one split that is known to lose so many examples; see `check`."""
        examples = self.examples[split]
        got = f"split {split!r}: got {examples - lost:,} of {examples:,} {self.unit}{why}"
        if lost == examples:
            raise ValueError(f"{got}, expected at least one")
        if lost / examples > max_loss:
            raise ValueError(
                f"{got}, which is a loss of {lost / examples:.1%}, expected at most {max_loss:.0%}; "
                "a higher --max_loss allows it"
            )

    def text(self) -> str:
        """Returns the summary as a table for people."""
        summary = self.summary()
        columns = list(next(iter(summary.values())))
        table = [["", *map(_say, columns)]]
        for split, numbers in summary.items():
            table.append([split, *(f"{numbers[column]:,}" for column in columns)])
        widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in table]
        return "\n".join(lines) + "\n"


def _say(reason: str) -> str:
    return reason.replace("_", " ")
