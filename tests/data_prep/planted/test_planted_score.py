"""The planted score: its parts, and that its noise leaves the promised ceiling."""

import numpy as np
import pytest

from data_prep.planted import score
from data_prep.planted.options import DESIGNS


@pytest.fixture(scope="module")
def content():
    rng = np.random.default_rng(123)
    return [score.draw_content(rng) for _ in range(3000)]


def test_signal_adds_effects_by_presence_and_subtracts_the_veil():
    assert score.signal(("cat", "cup", "helmet"), 0.25) == pytest.approx(1.0 + 0.6 - 2.4 * 0.25)
    assert score.signal(("rocket",), 0.5) == pytest.approx(-0.8 - 1.2)


def test_content_stays_in_its_ranges(content):
    counts = [len(kinds) for kinds, _ in content]
    shares = [share for _, share in content]
    assert set(counts) == {1, 2, 3, 4}
    assert all(len(set(kinds)) == len(kinds) for kinds, _ in content)
    assert 0.1 <= min(shares) < 0.12 and 0.88 < max(shares) <= 0.9


@pytest.mark.parametrize("design", DESIGNS)
def test_noise_sigma_solves_the_ceiling(design):
    rng = np.random.default_rng(123)
    signals = np.array([score.draw(design, rng).signal for _ in range(3000)])
    assert score.noise_ceiling(signals, score.NOISE_SIGMA[design]) == pytest.approx(0.95, abs=0.002)


def test_the_mean_over_the_cats_of_spot_misleads_and_the_strongest_tells_all():
    rng = np.random.default_rng(5)
    contents = [score.draw("spot", rng) for _ in range(2000)]
    strength = [[opacity for _, opacity, _ in content.objects] for content in contents]
    signals = [content.signal for content in contents]
    assert signals == [max(each) for each in strength]
    assert {len(each) for each in strength} == {1, 2, 3, 4}
    assert np.corrcoef(signals, [sum(each) for each in strength])[0, 1] < 0.75
    assert all(content.objects[-1][1:] == (content.signal, content.signal) for content in contents)
    assert not any(content.veil_share for content in contents)


def test_the_objects_of_whole_do_not_count_and_half_of_mixed_is_the_veil():
    rng = np.random.default_rng(5)
    for content in (score.draw("whole", rng) for _ in range(100)):
        assert content.signal == -content.veil_share and not any(effect for _, _, effect in content.objects)
    contents = [score.draw("mixed", rng) for _ in range(3000)]
    share = np.var([content.veil_share for content in contents]) / np.var([content.signal for content in contents])
    assert 0.4 < share < 0.6


def test_variance_is_shared_between_objects_and_veil(content):
    signals = np.array([score.signal(*item) for item in content])
    veil = score.VEIL_EFFECT * np.array([share for _, share in content])
    assert 0.3 < veil.var() / signals.var() < 0.5


def test_noise_ceiling_agrees_with_counting_pairs(content):
    signals = np.array([score.signal(*item) for item in content])
    noisy = signals + 0.5 * np.random.default_rng(0).standard_normal(signals.size)
    left, right = np.triu_indices(signals.size, k=1)
    counted = np.mean((signals[left] > signals[right]) == (noisy[left] > noisy[right]))
    assert score.noise_ceiling(signals, 0.5) == pytest.approx(counted, abs=0.01)


def test_noise_ceiling_in_the_limits():
    assert score.noise_ceiling(np.array([0.0, 1.0, 2.0]), 1e-6) == 1.0
    assert score.noise_ceiling(np.array([1.0, 1.0]), 0.1) == 0.5
