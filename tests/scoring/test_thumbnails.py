"""Small copies: their bounds, and maps against the drawing that the other commands make."""

import io

import numpy as np
import pytest
from PIL import Image
from scored_run import scene

from lena_jax.localization import overlays
from lena_jax.localization.resizing import upsample
from lena_jax.scoring import thumbnails


@pytest.mark.parametrize("size", [(900, 300), (300, 900), (256, 256), (5, 3), (4000, 1), (1, 1)])
def test_a_copy_is_the_picture_smaller(size):
    picture = scene(0).resize(size, Image.Resampling.BOX) if min(size) > 5 else Image.new("RGB", size, (90, 160, 30))
    small = thumbnails.thumbnail(picture)
    with Image.open(io.BytesIO(small.jpeg), formats=("JPEG",)) as opened:
        assert opened.size == (small.width, small.height)
        assert max(opened.size) == min(thumbnails.SIDE, max(size))
        assert abs(opened.width * size[1] / size[0] - opened.height) <= max(1, size[1] / size[0])
        expected = picture.resize(opened.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(opened, int) - np.asarray(expected, int)).mean() < 8
    assert picture.size == size


def test_a_copy_is_bounded_whatever_it_shows():
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)[:256, :256]
    small = thumbnails.thumbnail(Image.fromarray(noise))
    assert 5_000 < len(small.jpeg) <= thumbnails.MOST_BYTES and small.width == 256


@pytest.mark.parametrize("cells", [(1, 1), (7, 7), (16, 16), (40, 40)])
def test_a_map_laid_over_its_picture_is_the_overlay(cells):
    signed = np.random.default_rng(1).normal(size=cells).astype(np.float32)
    scale = overlays.common_scale([signed])
    png = thumbnails.map_png(signed, scale, 300, 300)
    assert len(png) < 2000
    side = thumbnails.MAP_SIDE
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        colours = np.asarray(opened.convert("RGB"), float)
    grey = np.full((side, side, 3), 120, np.uint8)
    mixed = overlays.OPACITY * colours + (1 - overlays.OPACITY) * 255 * overlays.backdrop(grey)
    # A shade is at most half a step of the scale away.
    assert np.abs(mixed - overlays.overlay(grey, signed, scale)).max() <= 6
    redness, values = colours[..., 0] - colours[..., 2], upsample(signed[None], side, side)[0]
    if signed.size > 1:
        assert np.corrcoef(redness.ravel(), values.ravel())[0, 1] > 0.95


def test_a_map_without_values_has_the_colour_of_0():
    with Image.open(
        io.BytesIO(thumbnails.map_png(np.zeros((4, 4), np.float32), 1.0, 8, 4)), formats=("PNG",)
    ) as opened:
        colours = np.asarray(opened.convert("RGB"))
    assert (colours == colours[0, 0]).all() and np.ptp(colours[0, 0].astype(int)) < 3


@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
def test_a_map_covers_of_a_picture_what_the_network_saw_of_it(resize, size):
    signed = np.random.default_rng(2).normal(size=(6, 6)).astype(np.float32)
    scale = overlays.common_scale([signed])
    with Image.open(io.BytesIO(thumbnails.map_png(signed, scale, *size, resize)), formats=("PNG",)) as opened:
        colours = np.asarray(opened.convert("RGB"), float)
    grey = np.full((*colours.shape[:2], 3), 120, np.uint8)
    mixed = overlays.OPACITY * colours + (1 - overlays.OPACITY) * 255 * overlays.backdrop(grey)
    assert colours.shape[:2] == (size[1] // 2, size[0] // 2)
    assert np.abs(mixed - overlays.overlay(grey, signed, scale, resize=resize)).max() <= 6
