"""Position bias, one-sided judges and cycles are found where they were put, and only there."""

import itertools

import numpy as np
import pytest

from data_prep.image_pairs import look
from data_prep.image_pairs.table import Row


def rows_of(pairs, judge=""):
    return [Row(n, left, right, votes, judge=judge) for n, (left, right, votes) in enumerate(pairs)]


def test_cycles_are_those_of_a_slow_count():
    rng = np.random.default_rng(0)
    left, right = np.array([pair for pair in itertools.combinations(range(9), 2) if rng.random() < 0.8]).T
    ahead = rng.choice([-1, 0, 1, 1], len(left))
    beats = {(a, b) for a, b, s in zip(left, right, ahead, strict=True) if s > 0}
    beats |= {(b, a) for a, b, s in zip(left, right, ahead, strict=True) if s < 0}
    slow = threes = 0
    for three in itertools.combinations(range(9), 3):
        wins = [sum((a, b) in beats for b in three) for a in three]
        threes += sum(wins) == 3
        slow += wins == [1, 1, 1]
    assert look.cycles(left, right, ahead, 9) == (slow, threes) and slow > 0


def test_a_judge_who_always_chooses_left_is_named():
    rng = np.random.default_rng(2)
    names = [f"{n}.jpg" for n in range(30)]
    fair, one_sided = [], []
    for _ in range(200):
        a, b = rng.permutation(30)[:2]
        fair.append((names[a], names[b], (1.0, 0.0) if a > b else (0.0, 1.0)))
        one_sided.append((names[a], names[b], (1.0, 0.0)))
    found = look.of_rows(rows_of(fair, "ann") + rows_of(one_sided[:60], "bob"))
    said = "\n".join(look.lines(found))
    assert "judge 'bob' chose left in 100%" in said and "'ann'" not in said and "260 votes by 2 judges" in said
    fair_only = look.of_rows(rows_of(fair, "ann"))
    assert fair_only["position"]["low"] < 0.5 < fair_only["position"]["high"] and fair_only["cycles"] == 0


def test_a_picture_that_wins_because_it_is_left_is_named():
    pairs = [("a", f"{n}", (1.0, 0.0)) for n in range(12)] + [(f"{n}", "a", (1.0, 0.0)) for n in range(12)]
    assert look.of_rows(rows_of(pairs))["always_left"] == ["a"]
    steady = [("a", f"{n}", (1.0, 0.0)) for n in range(12)] + [(f"{n}", "a", (0.0, 1.0)) for n in range(12)]
    assert look.of_rows(rows_of(steady))["always_left"] == []


def test_ties_say_nothing_about_sides_and_no_votes_nothing_at_all():
    found = look.of_rows(rows_of([("a", "b", (0.5, 0.5)), ("a", "b", (1.0, 0.0))]))
    assert found["position"]["votes"] == 1 and found["ties"] == 1
    assert look.of_rows([Row(1, "a", "b", label=0.5)]) == {} and look.lines({}) == []
    assert np.isnan(look.position_bias(0, 0)["share"])
    assert look.position_bias(5, 5)["share"] == pytest.approx(0.5)
