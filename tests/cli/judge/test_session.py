"""Which pair a judge sees, what an answer does, undo, going on, and pictures that cannot be shown."""

import itertools

import numpy as np
import pytest

from lena_jax.cli.judge.choices_file import ChoicesFile
from lena_jax.cli.judge.session import Session

NAMES = [f"{n}.jpg" for n in range(6)]


@pytest.fixture
def session(tmp_path):
    def make(is_good=lambda number: True, **options):
        return Session(NAMES, ChoicesFile(tmp_path / "choices.csv"), is_good, seed=0, **options)

    return make


def test_a_judge_sees_each_pair_once_and_another_judge_all_of_them_too(session):
    one = session()
    for judge in ("ann", "bob"):
        seen = set()
        while (now := one.pairs(judge)[0]) is not None:
            assert one.answer(judge, now.key, "left")
            seen.add(now.unordered)
        assert seen == set(itertools.combinations(range(6), 2))
    assert one.progress("ann") == one.progress("bob") | {"mine": 15} and one.progress("ann")["all"] == 30
    assert one.progress("carl")["mine"] == 0


def test_the_next_pair_is_known_before_the_answer(session):
    one = session()
    assert one.pairs("ann")[1] is None
    now, upcoming = one.pairs("ann", ahead=True)
    one.answer("ann", now.key, "right")
    assert one.pairs("ann")[0] == upcoming


def test_an_answer_counts_once(session):
    one = session()
    now = one.pairs("ann")[0]
    assert one.answer("ann", now.key, "left") and not one.answer("ann", now.key, "left")
    assert not one.answer("bob", now.key, "left") and one.progress("ann")["all"] == 1
    with pytest.raises(ValueError, match="got winner 'best'"):
        one.answer("ann", one.pairs("ann")[0].key, "best")


def test_undo_brings_the_pair_back_and_forgets_the_answer(session, tmp_path):
    one = session()
    assert not one.undo("ann")
    first = one.pairs("ann")[0]
    one.answer("ann", first.key, "left")
    known = one.belief.mean.copy()
    second = one.pairs("ann")[0]
    one.answer("ann", second.key, "right")
    one.answer("bob", one.pairs("bob")[0].key, "skip")
    assert one.undo("ann") and one.pairs("ann")[0].unordered == second.unordered
    np.testing.assert_allclose(one.belief.mean, known)
    assert one.undo("ann") and one.pairs("ann")[0].unordered == first.unordered and one.belief.choices == 0
    assert not one.undo("ann") and one.progress("bob")["mine"] == 0
    # The file says so too: a session that goes on knows no choices.
    again = session()
    assert again.belief.choices == 0 and again.progress("ann")["all"] == 0


def test_going_on_knows_all_that_was_chosen(session):
    one = session()
    for winner in ("left", "right", "tie", "skip"):
        one.answer("ann", one.pairs("ann")[0].key, winner)
    again = session()
    np.testing.assert_allclose(again.belief.mean, one.belief.mean)
    assert again.progress("ann")["mine"] == 3
    asked = {tuple(sorted(again._sides(row))) for row in again._history["ann"]}
    assert len(asked) == 4 and again.pairs("ann")[0].unordered not in asked


def test_damaged_pictures_are_passed_over_and_counted(session):
    looked = []
    one = session(lambda number: looked.append(number) or number not in (2, 5))
    seen = set()
    while (now := one.pairs("ann")[0]) is not None:
        seen.add(now.unordered)
        one.answer("ann", now.key, "tie")
    assert seen == set(itertools.combinations((0, 1, 3, 4), 2)) and one.bad == 2
    assert sorted(looked) == list(range(6)) and one.progress("ann")["pictures"] == 4


def test_the_share_of_random_pairs_and_the_left_side(session):
    never = session(share=0.0)
    assert {never.pairs(f"judge {n}")[0].how for n in range(20)} == {"active"}
    drawn = session(share=0.5)
    hows = [drawn.pairs(f"j{n}")[0].how for n in range(200)]
    assert 70 < hows.count("random") < 130
    lower = [drawn.pairs(f"j{n}")[0] for n in range(200)]
    assert 70 < sum(one.left < one.right for one in lower) < 130


def test_choices_of_pictures_that_are_gone_change_nothing(session, tmp_path):
    ChoicesFile(tmp_path / "choices.csv").append("gone.jpg", "0.jpg", "left", "ann", "random")
    one = session()
    assert one.unknown == 1 and one.belief.choices == 0 and one.pairs("ann")[0] is not None and one.undo("ann")
