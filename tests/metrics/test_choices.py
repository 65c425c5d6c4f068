"""Measures of judged pairs against slow counts, simulated people and limiting cases."""

import itertools

import numpy as np
import pytest
from scipy import special

from lena_jax.data.judged_pairs import JudgedPairs
from lena_jax.metrics import choices


def test_agreement_is_that_of_all_pairs_of_votes():
    rng = np.random.default_rng(0)
    votes = rng.integers(0, 4, (30, 2))
    shares = []
    for a, b in votes:
        people = [1] * a + [0] * b
        two = [x == y for x, y in itertools.combinations(people, 2)]
        shares += [np.mean(two)] if two else []
    assert choices.agreement(votes) == pytest.approx(np.mean(shares))
    assert np.isnan(choices.agreement([[1, 0], [0, 0]])) and np.isnan(choices.ceiling(float("nan")))
    assert choices.agreement([[np.nan, np.nan], [2, 0]]) == 1


def test_the_ceiling_is_what_the_best_ranker_reaches():
    # Everybody is divided alike: 80 % prefer the first picture.
    rng = np.random.default_rng(1)
    first = (rng.random((20_000, 2)) < 0.8).sum(1)
    agreement = choices.agreement(np.stack([first, 2 - first], 1))
    assert agreement == pytest.approx(0.68, abs=0.01)
    assert choices.ceiling(agreement) == pytest.approx(0.8, abs=0.01) and choices.ceiling(0.4) == 0.5


def judged(label, weight=None, votes=None):
    label = np.asarray(label, float)
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, float)
    return JudgedPairs(label, weight, np.full((len(label), 2), np.nan) if votes is None else np.asarray(votes, float))


def test_log_loss_and_its_least_value():
    rng = np.random.default_rng(2)
    pairs = np.array(list(itertools.combinations(range(8), 2)))
    scores = np.sort(rng.normal(size=8))[::-1]
    label, weight = special.expit(scores[pairs[:, 0]] - scores[pairs[:, 1]]), rng.random(len(pairs))
    perfect = choices.choice_metrics(scores, pairs, judged(label, weight), resamples=10)
    chance = label
    expected = -np.average(chance * np.log(chance) + (1 - chance) * np.log(1 - chance), weights=weight)
    assert perfect["soft_log_loss"]["value"] == pytest.approx(expected)
    assert perfect["entropy"] == pytest.approx(expected) and perfect["soft_ece"] == pytest.approx(0, abs=1e-12)
    worse = choices.choice_metrics(0 * scores, pairs, judged(label, weight), resamples=10)
    assert worse["soft_log_loss"]["value"] == pytest.approx(np.log(2)) and worse["entropy"] < np.log(2)


def test_weights_that_double_are_the_same_as_pairs_twice():
    pairs, label, scores = np.array([[0, 1], [1, 2]]), [0.9, 0.6], [1.0, 0.0, 0.5]
    doubled = choices.choice_metrics(scores, pairs, judged(label, [2, 1]), resamples=5)
    twice = choices.choice_metrics(scores, pairs[[0, 0, 1]], judged([0.9, 0.9, 0.6]), resamples=5)
    for key in ("soft_log_loss", "entropy", "soft_ece"):
        a, b = doubled[key], twice[key]
        a, b = (one["value"] if isinstance(one, dict) else one for one in (a, b))
        assert a == pytest.approx(b)
    assert doubled["soft_bins"] == twice["soft_bins"]


def test_ties_count_for_no_accuracy_and_the_reference_is_counted_on_decided_pairs():
    pairs = np.array([[0, 1], [1, 2], [2, 0]])
    found = choices.choice_metrics(
        [2.0, 1.0, 0.0], pairs, judged([0.75, 0.9, 0.5]), reference=np.array([1.0, 0.0, -3.0]), resamples=5
    )
    assert found["ties"] == 1 and found["bradley_terry"]["value"] == 0.75  # Right, and a tie.
    assert found["label_ceiling"] == pytest.approx(0.825)


def test_pairs_drawn_at_random_are_counted_alone():
    pairs = np.array([[0, 1], [1, 2], [2, 0], [2, 1]])
    known = judged([0.75, 0.9, 0.75, 0.5])
    some = JudgedPairs(known.label, known.weight, known.votes, np.array([True, False, True, True]))
    found = choices.choice_metrics([2.0, 1.0, 0.0], pairs, some, resamples=5)
    assert found["random_pairs"]["value"] == 0.5  # One right, one wrong; the tie counts nothing.
    assert "random_pairs" not in choices.choice_metrics([2.0, 1.0, 0.0], pairs, known, resamples=5)


def test_a_reference_needs_pictures_that_recur():
    pairs = np.array([[0, 1], [2, 3]])
    assert choices.reference_of(4, pairs, judged([0.75, 0.75])) is None
    many = np.array(list(itertools.combinations(range(7), 2)))
    found = choices.reference_of(7, many, judged(np.full(len(many), 0.75)))
    assert (found[many[:, 1] - many[:, 0] > 2] > 0).all()  # The order of the labels is 0, 1, 2, ...


def test_how_people_agree_is_measured_over_all_pairs():
    found = choices.people_metrics(
        3, np.array([[0, 1], [1, 2], [0, 2]]), np.array([[2, 0], [1, 1], [1, 0]]), resamples=50
    )
    assert found["agreement"]["value"] == 0.5 and found["two_votes"] == 2 and found["ceiling"]["value"] == 0.5
    assert found["ceiling"]["high"] == 1.0
