"""From a picture to the square that the network sees: squashed, padded or cropped."""

import numpy as np
import pytest
from PIL import Image

from lena_jax.data.transforms import Augmentation, resize, square

WIDE = np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("turned", [False, True])
def test_padding_keeps_the_shape_and_says_where_the_picture_is(turned):
    picture = np.swapaxes(WIDE, 0, 1) if turned else WIDE
    found = resize(picture, 20, how="pad")
    found = np.swapaxes(found, 0, 1) if turned else found
    assert found.shape == (20, 20, 4)
    assert np.all(found[5:15, :, 3] == 255) and not found[:5].any() and not found[15:].any()
    inside = np.asarray(Image.fromarray(WIDE).resize((20, 10), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(found[5:15, :, :3], inside, atol=1)


def test_cropping_takes_the_middle():
    np.testing.assert_array_equal(resize(WIDE, 20, how="crop"), resize(WIDE, 20, (15, 0, 45, 30)))
    box = (0, 10, 40, 30)
    np.testing.assert_array_equal(resize(WIDE, 8, box, "crop"), resize(WIDE, 8, (10, 10, 30, 30)))


@pytest.mark.parametrize("how", ["squash", "pad", "crop"])
def test_a_square_stays_one_and_frames_are_pictures(how):
    picture = WIDE[:, :30]
    np.testing.assert_array_equal(resize(picture, 16, how=how)[..., :3], resize(picture, 16))
    np.testing.assert_array_equal(square(Image.fromarray(WIDE), 16, how=how), resize(WIDE, 16, how=how))
    clip = np.stack([WIDE, WIDE[::-1]])
    np.testing.assert_array_equal(resize(clip, 16, how=how)[1], resize(WIDE[::-1], 16, how=how))


def test_a_padded_square_can_be_cut_again():
    padded = resize(WIDE, 40, how="pad")
    assert padded[:10, :, 3].max() == 0
    view = resize(padded, 20)
    np.testing.assert_array_equal(view[..., 3] > 127, resize(WIDE, 20, how="pad")[..., 3] > 127)
    # Colours are not multiplied by the fourth channel.
    np.testing.assert_array_equal(view[..., :3], resize(np.ascontiguousarray(padded[..., :3]), 20))


def test_views_keep_the_shape_too():
    views = Augmentation(crop=0.5).view(WIDE, 16, np.random.default_rng(0), "pad")
    assert views.shape == (16, 16, 4) and np.all(
        (views[..., 3] == 255).any(1) == ([False] * 4 + [True] * 8 + [False] * 4)
    )
