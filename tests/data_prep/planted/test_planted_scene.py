"""One planted picture: repeatable, with its parts where the record says, and with splits that share nothing."""

import numpy as np
import pytest

from data_prep.planted import backdrop, objects, scene, score

SIZE = 128


@pytest.fixture(scope="module")
def scenes():
    return [scene.compose(0, "train", index, SIZE) for index in range(60)]


def test_same_arguments_give_the_same_picture(scenes):
    again = scene.compose(0, "train", 7, SIZE)
    np.testing.assert_array_equal(again.image, scenes[7].image)
    np.testing.assert_array_equal(again.mask, scenes[7].mask)
    assert again.score == scenes[7].score and again.objects == scenes[7].objects


@pytest.mark.parametrize("other", [(1, "train", 7), (0, "test", 7), (0, "train", 8)])
def test_seed_split_and_index_each_change_the_picture(scenes, other):
    assert np.any(scene.compose(*other, SIZE).image != scenes[7].image)


def test_mask_lies_in_the_boxes_of_raising_objects(scenes):
    for item in scenes:
        inside = np.zeros_like(item.mask)
        for placed in item.objects:
            if placed.effect > 0:
                top, left, bottom, right = (round(SIZE * edge) for edge in placed.bbox)
                inside[top:bottom, left:right] = True
        assert not np.any(item.mask & ~inside)
        assert item.mask.any() == any(placed.effect > 0 for placed in item.objects)


def test_objects_lie_inside_the_picture_in_their_range_of_sizes(scenes):
    for item in scenes:
        for placed in item.objects:
            top, left, bottom, right = placed.bbox
            assert 0 <= top < bottom <= 1 and 0 <= left < right <= 1
            # The rotation of up to 15 degrees changes the box a little.
            assert 0.15 < max(bottom - top, right - left) < 0.55


def test_raising_objects_stay_visible(scenes):
    shares = []
    for item in scenes:
        for placed in item.objects:
            if placed.effect > 0 and sum(other.effect > 0 for other in item.objects) == 1:
                top, left, bottom, right = placed.bbox
                # The ellipse fills pi/4 of its box; its feathered edge is not in the mask.
                shares.append(item.mask.sum() / (np.pi / 4 * (bottom - top) * (right - left) * SIZE**2))
    assert len(shares) > 10
    assert min(shares) > 0.5 and np.median(shares) > 0.8


def test_of_spot_only_the_strongest_is_masked_and_there_is_no_veil():
    for index in range(20):
        item = scene.compose(0, "train", index, SIZE, "spot")
        *fainter, strongest = item.objects
        assert all(other.effect == 0 for other in fainter) and strongest.effect == item.signal
        np.testing.assert_array_equal(item.mask, item.owner == len(fainter))
        assert item.mask.any() and not item.veil.any()


def test_a_fainter_object_is_closer_to_its_backdrop():
    scenes = [scene.compose(0, "train", index, SIZE, "spot") for index in range(40)]
    bright = [item for item in scenes if len(item.objects) == 1]
    contrast = [abs(item.image[item.mask].mean(0) - item.image[~item.mask].mean(0)).sum() for item in bright]
    strength = [item.signal for item in bright]
    assert len(bright) > 5 and np.corrcoef(contrast, strength)[0, 1] > 0.3


@pytest.mark.parametrize("share", [0.1, 0.37, 0.9])
def test_veil_covers_the_share_it_is_asked_for(share):
    veil = backdrop.veil(SIZE, share, np.random.default_rng(5))
    assert veil.min() >= 0 and veil.max() <= 1
    assert np.mean(veil > 0.5) == pytest.approx(share, abs=1e-3)


def test_haze_washes_out_and_spares_what_it_does_not_cover():
    pixels = backdrop.draw(SIZE, "train", np.random.default_rng(3))
    covered = np.zeros((SIZE, SIZE), np.float32)
    covered[:64] = 1
    hazed = backdrop.add_haze(pixels, covered)
    np.testing.assert_array_equal(hazed[64:], pixels[64:])
    assert np.ptp(hazed[:64], axis=-1).mean() < np.ptp(backdrop.HAZE) + 1
    assert hazed[:64].std() < 0.5 * pixels[:64].std()


@pytest.mark.parametrize("name", backdrop.NAMES)
def test_splits_crop_from_rows_of_their_own(name):
    rng = np.random.default_rng(0)
    rows = {}
    for split in scene.SPLITS:
        boxes = [backdrop.crop_box(name, split, rng) for _ in range(200)]
        rows[split] = (min(box[1] for box in boxes), max(box[3] for box in boxes))
        assert min(box[0] for box in boxes) >= 0
        assert all(box[2] - box[0] == box[3] - box[1] > 50 for box in boxes)
    assert rows["train"][1] <= rows["validation"][0]
    assert rows["validation"][1] <= rows["test"][0]
    assert rows["test"][1] <= backdrop._region(name).height


@pytest.mark.parametrize("kind", score.KINDS)
def test_an_instance_has_the_size_it_is_asked_for(kind):
    colours, opacity = objects.instance(kind, 40.0, flip=False, angle=0.0, gain=1.0)
    assert max(opacity.shape) == pytest.approx(40, abs=2)
    assert colours.shape == (*opacity.shape, 3)
    assert opacity.max() > 0.99 and opacity[0, 0] < 0.01
    flipped, _ = objects.instance(kind, 40.0, flip=True, angle=0.0, gain=1.0)
    middle = opacity[:, ::-1] > 0.99
    if flipped.shape == colours.shape:
        np.testing.assert_allclose(flipped[middle], colours[:, ::-1][middle], atol=2)
