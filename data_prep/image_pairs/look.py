"""What choices say about the people who made them: position bias, one-sided judges, cycles."""

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from data_prep.image_pairs.table import Row

# Fewer choices than this say nothing about a judge.
_ENOUGH = 20
_SURE = 0.001
# Cycles of three are counted among this many pictures at most; the matrices are dense.
_MOST_PICTURES = 3000


def position_bias(left: float, right: float) -> dict[str, float]:
    """Return how often the left picture won, ties left out, with its 95 % interval (Wilson) and a p-value for 1/2.

    Args:
        left: votes for left pictures.
        right: votes for right ones.

    Example:
        >>> found = position_bias(60, 40)
        >>> round(found["low"], 3), found["share"], round(found["high"], 3), round(found["p"], 3)
        (0.502, 0.6, 0.691, 0.057)
    """
    wins, total = round(left), round(left + right)
    if not total:
        return {"share": float("nan"), "low": float("nan"), "high": float("nan"), "p": float("nan"), "votes": 0}
    test = stats.binomtest(wins, total)
    low, high = test.proportion_ci(method="wilson")
    return {"share": wins / total, "low": float(low), "high": float(high), "p": float(test.pvalue), "votes": total}


def cycles(left: Sequence[int], right: Sequence[int], ahead: Sequence[float], count: int) -> tuple[int, int]:
    """Count the cycles of three pictures (a beats b, b beats c, c beats a), and the threes with all pairs decided.

    With `beats` the matrix of decided pairs, cycles are `trace(beats^3) / 3`; the threes are `trace(known^3) / 6`.
    Chance would make a quarter of the threes cycles.

    Args:
        left, right: [p] numbers of pictures in [0, count).
        ahead: [p] above 0 if left won more votes, below 0 if right did.
        count: number of pictures.

    Example:
        >>> cycles([0, 1, 2], [1, 2, 0], [1, 1, 1], 3), cycles([0, 1, 0], [1, 2, 2], [1, 1, 1], 3)
        ((1, 1), (0, 1))
    """
    balance = np.zeros((count, count))
    np.add.at(balance, (np.asarray(left, int), np.asarray(right, int)), np.asarray(ahead, float))
    balance = balance - balance.T
    beats = (balance > 0).astype(np.float64)
    known = beats + beats.T
    return round(np.sum(beats @ beats * beats.T) / 3), round(np.sum(known @ known * known) / 6)


def of_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the findings of a table with votes, as JSON values; empty without votes."""
    rows = [row for row in rows if row.votes]
    if not rows:
        return {}
    votes = np.array([row.votes for row in rows], float)
    # A tie is half a vote each, and says nothing about sides.
    decided = votes - np.where((votes == 0.5).all(1), 0.5, 0)[:, None]
    judges: dict[str, Any] = collections.defaultdict(lambda: np.zeros(2))
    for row, each in zip(rows, decided, strict=True):
        judges[row.judge] += each
    place: dict[str, int] = {}
    sides = np.array([[place.setdefault(name, len(place)) for name in (row.left, row.right)] for row in rows])
    found: dict[str, Any] = {
        "votes": float(votes.sum()),
        "ties": int(((votes == 0.5).all(1)).sum()),
        "position": position_bias(*decided.sum(0)),
        "judges": {name: {"left": float(left), "right": float(right)} for name, (left, right) in judges.items()},
        "always_left": _always(sides, decided, list(place)),
    }
    if len(place) <= _MOST_PICTURES:
        found["cycles"], found["triples"] = cycles(sides[:, 0], sides[:, 1], votes[:, 0] - votes[:, 1], len(place))
    return found


def _always(sides, decided, names):
    """Return the pictures that win on the left and lose on the right more often than chance allows."""
    # For each picture: wins and choices on the left, and on the right.
    counts = np.zeros((len(names), 4))
    np.add.at(counts, sides[:, 0], np.stack([decided[:, 0], decided.sum(1), 0 * decided[:, 0], 0 * decided[:, 0]], 1))
    np.add.at(counts, sides[:, 1], np.stack([0 * decided[:, 0], 0 * decided[:, 0], decided[:, 1], decided.sum(1)], 1))
    found = []
    for name, (left_wins, left, right_wins, right) in zip(names, np.rint(counts).astype(int).tolist(), strict=True):
        if min(left, right) >= 5 and left_wins / left > right_wins / right:
            test = stats.fisher_exact([[left_wins, left - left_wins], [right_wins, right - right_wins]], "greater")
            if test.pvalue * len(names) < _SURE:
                found.append(name)
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """Say the findings, a line each, as `build` and `describe` print them."""
    if not found:
        return []
    position = found["position"]
    judges = len(found["judges"])
    said = [f"{found['votes']:,.0f} votes"]
    said[0] += f" by {judges:,} {'judge' if judges == 1 else 'judges'}" * any(found["judges"])
    said[0] += f", {found['ties']:,} ties" * bool(found["ties"])
    if position["votes"]:
        said.append(
            f"the left picture won {position['share']:.1%} of {position['votes']:,} decided votes (95 % interval "
            f"{position['low']:.1%} to {position['high']:.1%})"
            + (": people, or the table, favour a side" if position["p"] < _SURE else "")
        )
    for name, votes in found["judges"].items():
        one = position_bias(votes["left"], votes["right"])
        if name and one["votes"] >= _ENOUGH and one["p"] < _SURE / len(found["judges"]):
            side = "left" if one["share"] > 0.5 else "right"
            share = max(one["share"], 1 - one["share"])
            said.append(f"judge {name!r} chose {side} in {share:.0%} of {one['votes']:,} choices: consider leaving out")
    if found["always_left"]:
        names = ", ".join(found["always_left"][:5])
        said.append(f"{len(found['always_left']):,} pictures win on the left and lose on the right: {names}")
    if found.get("triples"):
        said.append(
            f"{found['cycles']:,} of {found['triples']:,} threes of pictures are cycles "
            f"({found['cycles'] / found['triples']:.1%}; chance: 25 %)"
        )
    return said
