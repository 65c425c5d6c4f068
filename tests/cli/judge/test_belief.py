"""The running estimate against exact posteriors and the fitted model, and which pairs it asks about."""

import numpy as np
import pytest
from scipy import stats

from lena_jax.cli.judge import belief
from lena_jax.cli.judge.belief import Belief, random_pair
from lena_jax.data.bradley_terry import strengths


def test_one_choice_against_the_posterior_on_a_grid():
    grid = np.linspace(-12, 12, 1201)
    spread = belief.SPREADS[2]  # Believed before there are choices, and one choice tells nothing about it.
    prior = stats.norm.pdf(grid, 0, spread)
    joint = prior[:, None] * prior / (1 + np.exp(grid[None] - grid[:, None]))
    left = joint.sum(1) / joint.sum()
    mean = left @ grid
    found = Belief(3)
    found.learn(0, 1, 1.0)
    # The logistic is approximated by a normal one: a few percent.
    assert found.mean[0] == pytest.approx(mean, rel=0.1) and found.mean[1] == -found.mean[0]
    assert found.variance[0] == pytest.approx(left @ (grid - mean) ** 2, rel=0.1)
    assert found.mean[2] == 0 and found.variance[2] == spread**2 and found.choices == 1


def test_a_tie_moves_the_two_together():
    found = Belief(2, [1.0, -1.0])
    found.learn(0, 1, 0.5)
    assert 0 < found.mean[0] < 1 and found.mean.sum() == pytest.approx(0)
    assert (found.variance < 1).all()


def judged(count, choices, active, seed, spread=2.0):
    rng = np.random.default_rng(seed)
    truth, found, asked, rows = rng.normal(0, spread, count), Belief(count), set(), []
    for _ in range(choices):
        usable = np.ones(count, bool)
        pair = found.informative(usable, asked, rng) if active else random_pair(usable, asked, rng)
        asked.add((min(pair), max(pair)))
        label = float(rng.random() < 1 / (1 + np.exp(truth[pair[1]] - truth[pair[0]])))
        found.learn(*pair, label)
        rows.append((*pair, label))
    return truth, found, rows


@pytest.mark.parametrize("spread", [0.6, 2.0])
def test_it_agrees_with_the_fitted_model_and_knows_how_sure_it_is(spread):
    truth, found, rows = judged(60, 600, False, 0, spread)
    left, right, label = np.array(rows).T
    fitted = strengths(60, np.stack([left, right], 1), np.stack([label, 1 - label], 1))
    assert np.corrcoef(found.mean, fitted.value)[0, 1] > 0.97
    true = np.corrcoef(found.mean, truth)[0, 1] ** 2
    assert found.reliability() == pytest.approx(true, abs=0.12)


def test_it_starts_from_a_model_on_any_scale():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 50)
    found = Belief(50, 0.5 * truth + 3)
    for _ in range(300):
        left, right = rng.choice(50, 2, replace=False)
        found.learn(left, right, float(rng.random() < 1 / (1 + np.exp(truth[right] - truth[left]))))
    assert np.corrcoef(found.mean, truth)[0, 1] > 0.97 and found.mean.std() == pytest.approx(1, abs=0.25)


def test_the_cost_of_a_point_is_what_it_then_costs():
    _, found, _ = judged(60, 300, True, 1)
    before, cost = found.reliability(), found.cost_of_a_point()
    _, later, _ = judged(60, 300 + 5 * cost, True, 1)
    assert later.reliability() - before == pytest.approx(0.05, abs=0.03)
    assert Belief(3).cost_of_a_point() is None


def test_informative_pairs_rank_better_than_random_ones():
    scores = {}
    for active in (True, False):
        scores[active] = np.mean(
            [
                stats.spearmanr(truth, found.mean).statistic
                for truth, found, _ in (judged(60, 150, active, s) for s in range(6))
            ]
        )
    assert scores[True] > scores[False] + 0.02


def test_pairs_are_asked_once_in_both_orders_and_never_of_a_bad_picture():
    rng, found, usable, asked = np.random.default_rng(0), Belief(7), np.ones(7, bool), set()
    usable[3] = False
    orders = []
    while (pair := found.informative(usable, asked, rng)) is not None:
        key = (min(pair), max(pair))
        assert 3 not in pair and pair[0] != pair[1] and key not in asked
        asked.add(key)
        orders.append(pair[0] < pair[1])
    assert len(asked) == 15 and 0 < sum(orders) < 15
    assert random_pair(usable, asked, rng) is None and found.informative(np.eye(7, dtype=bool)[0], set(), rng) is None
