import numpy as np
import pytest

from lena_jax.metrics import map_agreement


def test_by_hand():
    maps = np.array([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], [[5.0, 5.0, 5.0]]])
    others = np.array([[[-9.0, 0.0, 100.0]], [[3.0, 2.0, 1.0]], [[1.0, 2.0, 3.0]]])
    result = map_agreement(maps, others, resamples=50)
    # 1 and -1; the flat one has no order.
    assert result == {"value": 0, "low": -1, "high": 1, "pictures": 2}
    assert map_agreement(maps[2:], others[2:]) == {"value": None, "low": None, "high": None, "pictures": 0}


def test_unit_and_level_play_no_part():
    maps = np.random.default_rng(0).normal(size=(6, 4, 5))
    assert map_agreement(maps, 3 * maps - 100, resamples=9)["value"] == pytest.approx(1)
    assert map_agreement(maps, -maps, resamples=9)["value"] == pytest.approx(-1)


def test_bad_maps():
    with pytest.raises(ValueError, match=r"got \(1, 2, 2\) and \(1, 2, 3\)"):
        map_agreement(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="got 1 cells that are not"):
        map_agreement(np.array([[[np.nan, 1.0]]]), np.zeros((1, 1, 2)))
