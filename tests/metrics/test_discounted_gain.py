import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from lena_jax.metrics import ndcg, percentile_gains


def test_percentiles_by_hand():
    np.testing.assert_allclose(percentile_gains([-5.0, 100.0, 0.0]), [0, 1, 0.5])
    np.testing.assert_allclose(percentile_gains([1.0, 1.0, 2.0]), [0.25, 0.25, 1])
    np.testing.assert_allclose(percentile_gains([1, 9, 5, 7], ["a", "b", "a", "c"]), [0, 0, 1, 0])


def test_ndcg_by_hand():
    # The second best first, the worst second.
    assert ndcg([3.0, 1.0, 2.0], [0.5, 1.0, 0.0], 2) == pytest.approx(0.5 / (1 + 0.5 / np.log2(3)))
    assert ndcg([1.0, 2.0, 3.0], [0.0, 0.5, 1.0], 2) == pytest.approx(1)
    # A tie shares the mean of its gains.
    assert ndcg([1.0, 1.0], [0.0, 1.0], 1) == 0.5
    assert np.isnan(ndcg([1.0, 2.0], [0.0, 0.0], 2))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=30), st.integers(1, 35))
def test_is_scikit_learns(pictures, k):
    predicted, gains = np.array(pictures, np.float64).T
    if gains.any():
        assert ndcg(predicted, gains, k) == pytest.approx(ndcg_score([gains], [predicted], k=k))


def test_bad_arguments():
    with pytest.raises(ValueError, match="got -1.0"):
        ndcg([1.0, 2.0], [-1.0, 2.0], 1)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        ndcg([1.0, 2.0], [1.0, 2.0], 0)
