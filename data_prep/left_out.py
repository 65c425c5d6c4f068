"""What a build kept and what it left out, by split and reason: as numbers, as a table, and against a limit."""

import math
from collections.abc import Mapping

from data_prep import text_table
from data_prep.usable_pictures import REASONS

# Share of a split that a build may leave out unless it is told otherwise.
MAX_SHARE = 0.5


def check_share(max_loss: float) -> float:
    """Return `max_loss` if it is a share in [0, 1].

    Raises:
        ValueError: it is not.
    """
    if not (math.isfinite(max_loss) and 0 <= max_loss <= 1):
        raise ValueError(f"max_loss: got {max_loss}, expected a share from 0 to 1")
    return max_loss


class LeftOut:
    """Counts the examples that a build keeps, and the pictures that it leaves out.

    Args:
        unit: what an example is: "pairs" or "pictures".
        examples: the number of examples of each split, by the annotations.
        pictures: the number of pictures of each split; leave it out where an example is one picture.
        reasons: why a picture may be left out.

    Attributes:
        kept: the number of examples of each split that were kept.
        pictures: for each picture left out, its id, split, reason and a detail.
    """

    def __init__(
        self,
        unit: str,
        examples: Mapping[str, int],
        pictures: Mapping[str, int] | None = None,
        reasons: tuple[str, ...] = REASONS,
    ):
        self._unit = unit
        self._reasons = reasons
        self._examples = dict(examples)
        self._pictures = dict(pictures or examples)
        self.kept = dict.fromkeys(examples, 0)
        self.pictures: list[dict[str, str]] = []

    def add(self, split: str, id: str, reason: str, detail: str) -> None:
        """Record a picture that is left out."""
        self.pictures.append({"id": id, "split": split, "reason": reason, "detail": detail})

    def summary(self) -> dict[str, dict[str, int]]:
        """Return for each split the examples, those kept and lost, and the pictures, usable and by reason.

        In each split, `kept + lost` is the number of examples, and `usable` plus all reasons that of pictures.
        """
        result = {}
        for split, examples in self._examples.items():
            reasons = [picture["reason"] for picture in self.pictures if picture["split"] == split]
            numbers = {"kept": self.kept[split], "lost": examples - self.kept[split]}
            if self._unit != "pictures":
                numbers = {self._unit: examples, **numbers}
            numbers |= {"pictures": self._pictures[split], "usable": self._pictures[split] - len(reasons)}
            result[split] = numbers | {reason: reasons.count(reason) for reason in self._reasons}
        return result

    def check(self, max_loss: float) -> None:
        """Check the share of each split that is left out.

        Raises:
            ValueError: more than `max_loss` of a split is left out, or all of it.
        """
        for split, numbers in self.summary().items():
            why = ", ".join(f"{numbers[reason]:,} {_words(reason)}" for reason in self._reasons if numbers[reason])
            self.check_split(split, numbers["lost"], max_loss, f" (pictures: {why})" if why else "")

    def check_split(self, split: str, lost: int, max_loss: float, why: str = "") -> None:
        """Check one split, of which `lost` examples are known to be left out; see `check`."""
        examples = self._examples[split]
        got = f"split {split!r}: got {examples - lost:,} of {examples:,} {self._unit}{why}"
        if lost == examples:
            raise ValueError(f"{got}, expected at least one")
        if lost / examples > max_loss:
            raise ValueError(
                f"{got}, which leaves out {lost / examples:.1%}, expected at most {max_loss:.0%}; "
                "a higher --max_loss allows it"
            )

    def text(self) -> str:
        """Return the summary as a table for people."""
        summary = self.summary()
        columns = list(next(iter(summary.values())))
        rows = [[split, *(f"{numbers[column]:,}" for column in columns)] for split, numbers in summary.items()]
        return text_table.align([["", *map(_words, columns)], *rows]) + "\n"


def _words(key: str) -> str:
    return key.replace("_", " ")
