import numpy as np
import pytest

from lena_jax.localization import box_overlaps, map_boxes, mask_boxes

MAP = np.zeros((6, 9))
MAP[1:3, 1:4], MAP[4, 6:8], MAP[3, 4] = 4, 5, -9


def test_boxes_of_a_mask():
    np.testing.assert_array_equal(mask_boxes(MAP > 0), [[1, 1, 3, 4], [4, 6, 5, 8]])
    assert mask_boxes(np.zeros((3, 3))).shape == (0, 4)
    # Corners connect.
    np.testing.assert_array_equal(mask_boxes(np.eye(3)), [[0, 0, 3, 3]])
    np.testing.assert_array_equal(mask_boxes(np.ones((3, 5))), [[0, 0, 3, 5]])


def test_boxes_of_a_map_with_the_strongest_first():
    np.testing.assert_array_equal(map_boxes(MAP), [[4, 6, 5, 8], [1, 1, 3, 4]])
    np.testing.assert_array_equal(map_boxes(MAP, 0.9), [[4, 6, 5, 8]])
    np.testing.assert_array_equal(map_boxes(-MAP), [[3, 4, 4, 5]])  # What lowers the score.
    np.testing.assert_array_equal(map_boxes(np.ones((2, 2))), [[0, 0, 2, 2]])
    for nowhere in (np.zeros((2, 2)), -np.ones((2, 2))):
        assert map_boxes(nowhere).shape == (0, 4)


def test_overlaps_by_hand():
    overlaps = box_overlaps([[0, 0, 2, 2], [0, 0, 4, 4]], [[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]])
    np.testing.assert_allclose(overlaps, [[1, 1 / 7, 0], [0.25, 0.25, 0]])


def test_bad_arguments():
    with pytest.raises(ValueError, match="got 0"):
        map_boxes(MAP, 0)
    with pytest.raises(ValueError, match="got 1 cells"):
        map_boxes(np.array([[np.nan, 1.0]]))
