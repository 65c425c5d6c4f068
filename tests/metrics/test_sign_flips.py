import numpy as np
import pytest
from scipy import stats

from lena_jax.metrics import sign_flip_test


def test_by_hand():
    # Only all signs alike reach the sum: 2 patterns of 8.
    assert sign_flip_test([1.0, 2.0, 4.0]) == 0.25
    assert sign_flip_test([-1.0, -2.0, -4.0]) == 0.25
    assert sign_flip_test([1.0, -1.0]) == 1 and sign_flip_test([0.0, 0.0]) == 1
    assert sign_flip_test([0.0, 3.0, 0.0]) == 1


def test_is_scipys_permutation_test_where_both_are_exact():
    differences = np.random.default_rng(0).normal(0.4, 1, 10)
    expected = stats.permutation_test(
        (differences, np.zeros(10)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_random_flips_come_near_the_t_test():
    differences = np.random.default_rng(1).normal(0.3, 1, 60)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_test(differences, flips=20_000) == pytest.approx(expected, abs=0.01)


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(2)
    p = [sign_flip_test(rng.standard_t(4, 20), flips=199, seed=number) for number in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.05


@pytest.mark.parametrize("differences", [[], [1.0, np.nan]])
def test_bad_differences(differences):
    with pytest.raises(ValueError, match="at least one and finite"):
        sign_flip_test(differences)
