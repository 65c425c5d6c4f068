"""Crops: within the picture, of the shape asked for, scored as their own files, never below the one in the middle."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scored_run import scene

from lena_jax.scoring import crops


class Brightest:
    """Scores a picture by its mean red: a ranker whose best crop is known."""

    image_size = 32

    def score(self, pictures):
        from lena_jax.scoring.results import PictureScore

        for number, picture in enumerate(pictures):
            yield PictureScore(f"#{number}", float(np.asarray(picture)[..., 0].mean()) / 25, None)


@pytest.mark.parametrize("size", [(160, 120), (90, 200), (64, 64), (500, 40)])
@pytest.mark.parametrize("aspect", [1.0, 0.8, 16 / 9, 10.0])
def test_a_crop_has_its_shape_and_lies_within_the_picture(size, aspect):
    pixels = np.asarray(scene(3, size))
    found = crops.best_crop(Brightest(), pixels, aspect)
    top, left, bottom, right = found.box
    assert 0 <= top < bottom <= size[1] and 0 <= left < right <= size[0]
    height, width = bottom - top, right - left
    # One side is rounded to a whole pixel, and so is the other.
    assert abs(width - height * aspect) <= 0.5 + 0.5 * aspect
    largest = min(size[1], size[0] / aspect)
    assert height >= crops.SIZES[-1] * largest - 1
    assert found.score >= found.centre_score and 0.5 <= found.ahead <= 1
    assert found.tried <= 27 + 3 * 2 * 6


def test_the_crop_with_the_bright_corner_is_found():
    pixels = np.full((120, 160, 3), 10, np.uint8)
    pixels[60:, 100:] = 250
    found = crops.best_crop(Brightest(), pixels, 1.0)
    top, left, bottom, right = found.box
    # The smallest square, in the bright corner.
    assert bottom - top == 72 and bottom >= 115 and right >= 155
    assert found.score > found.centre_score + 1 and found.ahead > 0.7
    cut = crops.cut(pixels, found.box)
    assert found.score == pytest.approx(cut[..., 0].mean() / 25, abs=1e-6)


def test_of_a_plain_picture_the_middle_is_kept():
    pixels = np.full((100, 150, 3), 77, np.uint8)
    found = crops.best_crop(Brightest(), pixels, 1.0)
    assert found.box == (0, 25, 100, 125) and found.ahead == 0.5


def test_a_large_picture_is_scored_at_full_size_at_the_end():
    pixels = np.asarray(scene(5, (700, 500)))
    found = crops.best_crop(Brightest(), pixels, 0.8)
    assert found.score == pytest.approx(crops.cut(pixels, found.box)[..., 0].mean() / 25, abs=1e-9)


def test_crops_of_a_real_model_have_the_scores_of_their_files(scorer, tmp_path):
    scene(1, (130, 90)).save(tmp_path / "a.png")
    picture = scorer.explain(tmp_path / "a.png").picture
    found = crops.best_crop(scorer, picture, 1.0)
    Image.fromarray(crops.cut(picture, found.box)).save(tmp_path / "b.png")
    (one,) = scorer.score([tmp_path / "b.png"])
    assert found.score == pytest.approx(one.score, abs=1e-5) and found.percentile == one.percentile


def test_another_aspect_is_refused():
    with pytest.raises(ValueError, match="between 0.1 and 10"):
        crops.best_crop(Brightest(), np.zeros((9, 9, 3), np.uint8), 11)


def test_a_model_without_a_finite_score_is_one_line():
    class Infinite(Brightest):
        def score(self, pictures):
            for one in super().score(pictures):
                yield dataclasses.replace(one, score=None, error="the model gives inf")

    with pytest.raises(ValueError, match="a crop has no score: the model gives inf"):
        crops.best_crop(Infinite(), np.zeros((9, 9, 3), np.uint8), 1)
