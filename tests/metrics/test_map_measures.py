import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from sklearn.metrics import average_precision_score

from lena_jax.metrics import (
    box_hits,
    localization_metrics,
    map_levels,
    mask_energy,
    max_box_accuracy,
    picture_localization,
    pixel_average_precision,
    pixel_counts,
    pointing_hit,
)

MASK = np.zeros((8, 8), bool)
MASK[1:4, 2:6] = True
BRIGHT_INSIDE, BRIGHT_OUTSIDE = np.zeros((8, 8)), np.zeros((8, 8))
BRIGHT_INSIDE[2, 3], BRIGHT_OUTSIDE[6, 6] = 5, 5
FLAT, FULL, EMPTY = np.full((8, 8), 3.0), np.ones((8, 8), bool), np.zeros((8, 8), bool)

maps_and_masks = st.tuples(
    arrays.arrays(np.float32, (6, 7), elements=st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0])),
    arrays.arrays(bool, (6, 7)).filter(lambda mask: mask.any()),
)


def precision(signed_map, mask, levels=100):
    return float(pixel_average_precision(pixel_counts(signed_map, mask, levels)))


def test_energy_by_hand():
    contribution = np.array([[3.0, -5.0], [1.0, 0.0]])
    mask = np.array([[True, True], [False, False]])
    assert mask_energy(contribution, mask) == (0.75, 0.5)
    inside, area = mask_energy(-np.ones((2, 2)), mask)
    assert np.isnan(inside) and area == 0.5
    assert mask_energy(BRIGHT_INSIDE, MASK)[0] == 1 and mask_energy(BRIGHT_OUTSIDE, MASK)[0] == 0
    assert mask_energy(FLAT, MASK) == (12 / 64, 12 / 64) and mask_energy(FLAT, FULL) == (1, 1)
    assert mask_energy(FLAT, EMPTY) == (0, 0)


def test_pointing_by_hand():
    assert pointing_hit(BRIGHT_INSIDE, MASK) == 1 and pointing_hit(BRIGHT_OUTSIDE, MASK) == 0
    assert pointing_hit(FLAT, MASK) == pointing_hit(-FLAT, MASK) == 12 / 64
    # The least negative cell of a map without a positive one.
    assert pointing_hit(BRIGHT_INSIDE - 9, MASK) == 1 and pointing_hit(-BRIGHT_INSIDE, MASK) == 11 / 63
    assert pointing_hit(BRIGHT_INSIDE, FULL) == 1 and pointing_hit(BRIGHT_INSIDE, EMPTY) == 0
    # (6, 6) is the square root of 10 away from (3, 5).
    assert pointing_hit(BRIGHT_OUTSIDE, MASK, tolerance=3) == 0 and pointing_hit(BRIGHT_OUTSIDE, MASK, 3.2) == 1
    assert pointing_hit(BRIGHT_INSIDE, EMPTY, tolerance=9) == 0


def test_pixel_precision_by_hand():
    assert precision(MASK.astype(float), MASK) == precision(MASK - 5.0, MASK) == 1
    assert precision(FLAT, MASK) == 12 / 64 and precision(FLAT, FULL) == precision(-BRIGHT_INSIDE, FULL) == 1
    # One pixel found alone, the other eleven with all 64.
    assert precision(BRIGHT_INSIDE, MASK) == pytest.approx(1 / 12 + 11 / 12 * 12 / 64)
    assert precision(BRIGHT_OUTSIDE, MASK) == pytest.approx(12 / 64)
    assert np.isnan(precision(FLAT, EMPTY))


@given(maps_and_masks)
def test_pixel_precision_is_scikit_learns(example):
    signed_map, mask = example
    assert precision(signed_map, mask, 1000) == pytest.approx(average_precision_score(mask.ravel(), signed_map.ravel()))


def test_pixel_precision_of_several_pictures_is_that_of_all_their_pixels():
    rng = np.random.default_rng(0)
    maps, masks = rng.normal(size=(5, 9, 9)), rng.uniform(size=(5, 9, 9)) < 0.3
    counts = np.sum([pixel_counts(*one) for one in zip(maps, masks, strict=True)], 0)
    levels = np.array([map_levels(one) for one in maps])
    expected = average_precision_score(masks.ravel(), levels.ravel())
    assert float(pixel_average_precision(counts)) == pytest.approx(expected)
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    assert expected == pytest.approx(
        average_precision_score(masks.ravel(), ((maps - low) / (high - low)).ravel()), abs=0.02
    )


def test_levels():
    np.testing.assert_array_equal(map_levels(np.array([[-1.0, 0.0], [0.5, 1.0]]), 4), [[0, 2], [3, 3]])
    assert not map_levels(FLAT).any() and not map_levels(np.zeros((2, 2))).any()
    np.testing.assert_array_equal(map_levels(np.array([[-1e308, 0.0, 1e308]]), 10), [[0, 5, 9]])


def test_boxes_by_hand():
    hits = box_hits(MASK.astype(float), MASK, levels=4)
    # At threshold 0 the whole picture, 64 pixels for 12; above it the object itself.
    np.testing.assert_array_equal(hits, [[False] * 3] + [[True] * 3] * 3)
    np.testing.assert_array_equal(box_hits(MASK - 7.0, MASK, levels=4), hits)
    assert not box_hits(BRIGHT_INSIDE, MASK).any() and not box_hits(BRIGHT_OUTSIDE, MASK).any()
    # A flat map is one box, the picture.
    assert box_hits(FLAT, FULL, levels=3).tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert not box_hits(FLAT, MASK).any()


def test_the_best_part_counts_or_the_largest():
    signed_map = MASK.astype(float)
    signed_map[5:8, 0:8] = 1  # A larger part, elsewhere.
    assert box_hits(signed_map, MASK, levels=2)[1].all()
    assert not box_hits(signed_map, MASK, levels=2, largest=True)[1].any()
    # Of several objects any one.
    assert box_hits(signed_map, MASK | (signed_map > 0), levels=2, largest=True)[1].all()


@given(maps_and_masks, st.booleans())
def test_box_hits_are_those_of_looking_at_every_threshold(example, largest):
    signed_map, mask = example
    levels = map_levels(signed_map, 6)

    def boxes(above):
        labels, count = ndimage.label(above, np.ones((3, 3)))
        found = [np.argwhere(labels == number + 1) for number in range(count)]
        return [(len(cells), *cells.min(0), *cells.max(0) + 1) for cells in found]

    def overlap(one, other):
        cells = [np.zeros((6, 7), bool) for _ in range(2)]
        for grid, (_, top, left, bottom, right) in zip(cells, (one, other), strict=True):
            grid[top:bottom, left:right] = True
        return (cells[0] & cells[1]).sum() / (cells[0] | cells[1]).sum()

    for level, hits in enumerate(box_hits(signed_map, mask, (0.25, 0.5), 6, largest)):
        found = boxes(levels >= level)
        found = [max(found, key=lambda box: box[0])] if largest and found else found
        best = max((overlap(one, other) for one in found for other in boxes(mask)), default=0)
        assert hits.tolist() == [best >= 0.25, best >= 0.5]


def test_box_accuracy_takes_one_threshold_for_all_pictures():
    hits = np.array([[[1, 1], [0, 0]], [[0, 0], [1, 0]], [[1, 0], [1, 0]]], bool)  # Pictures, thresholds, overlaps.
    assert max_box_accuracy(hits) == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_all_pictures_together_with_intervals():
    rng = np.random.default_rng(1)
    each = [picture_localization(MASK + rng.normal(0, 0.6, MASK.shape), MASK) for _ in range(30)]
    result = localization_metrics(each, resamples=200)
    assert result["pictures"] == 30 and result["area"] == 12 / 64
    assert result["energy_inside"] == pytest.approx(np.mean([one["energy"] for one in each]))
    assert result["energy"]["value"] == pytest.approx(result["energy_inside"])
    assert result["ratio"] == pytest.approx(result["energy_inside"] / result["area"])
    for name in ("energy", "pointing", "pxap", "max_box_acc_v2"):
        assert result[name]["low"] <= result[name]["value"] <= result[name]["high"]
        assert result[name]["low"] < result[name]["high"]
    assert result["pxap"]["value"] == pytest.approx(float(pixel_average_precision(sum(one["counts"] for one in each))))
    assert result["max_box_acc_v2"]["value"] == pytest.approx(max_box_accuracy([one["hits"] for one in each]))


def test_maps_that_point_nowhere_have_measures_without_nan():
    result = localization_metrics(
        [picture_localization(one, MASK) for one in (FLAT, -FLAT, 0 * FLAT, -BRIGHT_INSIDE)], resamples=20
    )
    assert result["energy_inside"] == pytest.approx(12 / 64 / 4)
    assert all(
        np.isfinite(result[name][end])
        for name in ("energy", "pointing", "pxap", "max_box_acc_v2")
        for end in ("value", "low", "high")
    )


@pytest.mark.parametrize("measure", [mask_energy, pointing_hit, pixel_counts, box_hits])
def test_bad_maps(measure):
    with pytest.raises(ValueError, match=r"got \(8, 8\) and \(1, 8\)"):
        measure(FLAT, MASK[:1])
    broken = FLAT.copy()
    broken[0, :2] = np.nan, np.inf
    with pytest.raises(ValueError, match="got 2 cells that are not"):
        measure(broken, MASK)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="mask is empty: got 0 of 64 pixels"):
        box_hits(FLAT, EMPTY)
    with pytest.raises(ValueError, match="got -1"):
        pointing_hit(FLAT, MASK, -1)
