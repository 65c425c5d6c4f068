import numpy as np
import pytest

from lena_jax.metrics import insertion_deletion

PICTURE = np.zeros((4, 5, 3), np.float32)
PICTURE[1, 2], PICTURE[3, 0] = 2, -1


def total(pictures):
    return pictures.sum((1, 2, 3))


def test_of_a_linear_score_by_hand():
    # The score of the black picture is 0, of this one 6 - 3.
    result = insertion_deletion(total, PICTURE, PICTURE.sum(-1), steps=20, baseline=0)
    np.testing.assert_allclose(result["share"], np.arange(21) / 20)
    np.testing.assert_allclose(result["insertion"], [0] + [6] * 19 + [3])
    np.testing.assert_allclose(result["deletion"], [3] + [-3] * 19 + [0])
    assert result["insertion_area"] == pytest.approx((0 / 2 + 6 * 19 + 3 / 2) / 20 / 3)
    assert result["deletion_area"] == pytest.approx((3 / 2 - 3 * 19 + 0 / 2) / 20 / 3)
    assert result["gain"] == pytest.approx((6 * 19 + 3 * 19) / 20 / 2)


def test_a_score_below_the_baseline_counts_the_way_down():
    lower = insertion_deletion(total, -PICTURE, -PICTURE.sum(-1), baseline=0)
    higher = insertion_deletion(total, PICTURE, PICTURE.sum(-1), baseline=0)
    for name in ("insertion_area", "deletion_area", "gain"):
        assert lower[name] == pytest.approx(higher[name])


def test_a_wrong_map_is_the_opposite_and_equal_ends_have_a_gain_but_no_area():
    right, wrong = (insertion_deletion(total, PICTURE, sign * PICTURE.sum(-1), baseline=0) for sign in (1, -1))
    assert wrong["insertion_area"] < 0.5 < right["insertion_area"] and wrong["deletion_area"] > 0.5
    assert wrong["gain"] == pytest.approx(-right["gain"])
    balanced = np.zeros((4, 5, 3), np.float32)
    balanced[0, 0], balanced[1, 1] = 1, -1
    result = insertion_deletion(total, balanced, balanced.sum(-1), baseline=0)
    assert np.isnan(result["insertion_area"]) and np.isnan(result["deletion_area"]) and result["gain"] > 0
    constant = insertion_deletion(lambda pictures: np.zeros(len(pictures)), PICTURE, PICTURE.sum(-1))
    assert np.isnan(constant["insertion_area"]) and constant["gain"] == 0


def test_a_map_without_information_has_one_half():
    rng = np.random.default_rng(0)
    picture = rng.uniform(1, 2, (20, 20, 3)).astype(np.float32)
    result = insertion_deletion(total, picture, rng.normal(size=(20, 20)), steps=40, baseline=0)
    assert result["insertion_area"] == pytest.approx(0.5, abs=0.02)
    assert result["deletion_area"] == pytest.approx(0.5, abs=0.02)
    assert insertion_deletion(total, picture, np.zeros((20, 20)))["insertion"][-1] == pytest.approx(picture.sum())


def test_the_baseline_is_the_mean_colour_unless_given():
    colours = []
    insertion_deletion(
        lambda pictures: colours.append(pictures[0, 0, 0]) or pictures.sum((1, 2, 3)), PICTURE, np.zeros((4, 5))
    )
    np.testing.assert_allclose(colours[0], PICTURE.mean((0, 1)))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"got \(5, 4\) and \(4, 5\)"):
        insertion_deletion(total, PICTURE, np.zeros((5, 4)))
    with pytest.raises(ValueError, match="got 20 cells"):
        insertion_deletion(total, PICTURE, np.full((4, 5), np.nan))
    with pytest.raises(ValueError, match="got 0"):
        insertion_deletion(total, PICTURE, np.zeros((4, 5)), steps=0)
