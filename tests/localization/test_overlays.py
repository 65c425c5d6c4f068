import numpy as np
import pytest
from PIL import Image
from skimage import color

from lena_jax.localization import overlays, pair_contributions

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def test_the_colours_are_evenly_spaced_and_equally_light_on_both_sides():
    colours = overlays.diverging().colors
    assert len(colours) == 257
    lab = color.rgb2lab(colours)
    steps = color.deltaE_ciede2000(lab[1:], lab[:-1])
    for arm in (steps[:128], steps[128:]):
        assert arm.max() < 1.05 * arm.min()
    assert steps[:128].sum() == pytest.approx(steps[128:].sum(), rel=0.25)
    # Nothing was cut off at the edge of what a screen can show.
    assert colours.min() > 0 and colours.max() < 1
    assert (np.diff(lab[:129, 0]) > 0).all() and (np.diff(lab[128:, 0]) < 0).all()
    assert lab[0, 0] == pytest.approx(lab[-1, 0], abs=0.1)
    assert colours[0, 2] > colours[0, 0] and colours[-1, 0] > colours[-1, 2]


def test_zero_raising_and_lowering_parts():
    plain = overlays.overlay(PICTURE, np.zeros((4, 3)))
    assert np.isfinite(plain).all() and (np.ptp(plain.astype(int), axis=-1) <= 1).all()  # Grey.
    drawn = overlays.overlay(PICTURE, np.array([[1.0, -1.0]])).astype(int)
    assert (drawn[:, :5, 0] > drawn[:, :5, 2]).all() and (drawn[:, -5:, 2] > drawn[:, -5:, 0]).all()
    # On another map's scale a weak map is weak.
    weak = overlays.overlay(PICTURE, np.array([[0.01, -0.01]]), scale=1)
    assert np.abs(weak.astype(int) - plain).max() < 5


def test_the_scale_is_positive_and_not_ruled_by_one_cell():
    assert overlays.common_scale([np.zeros((2, 2)), np.zeros((3, 3))]) > 0
    maps = [np.full((40, 40), -2.0), np.ones((40, 40))]
    maps[1][0, 0] = 1000
    assert overlays.common_scale(maps) == pytest.approx(2)
    # A map of zeros but for a few cells is not on the scale of the zeros.
    maps = [np.zeros((40, 40))]
    maps[0][0, 0] = 5
    assert overlays.common_scale(maps) == pytest.approx(5e-3 * (92 / 120) ** 2)  # As the spline draws a corner.


def test_pictures_and_a_pair_are_drawn(tmp_path):
    maps = np.random.default_rng(1).normal(size=(3, 4, 3))
    figure = overlays.draw_overlays([PICTURE] * 3, maps, ["a", "b", "c"], boxes=[[[0, 0, 9, 9]], [], []])
    overlays.save(figure, tmp_path / "maps.png")
    pair = np.asarray(pair_contributions(maps.astype(np.float32), [[0, 1]]))[0]
    overlays.save(overlays.draw_pair([PICTURE, PICTURE[::2]], pair, (0.5, -0.25)), tmp_path / "pair.png")
    for name in ("maps.png", "pair.png"):
        with Image.open(tmp_path / name) as drawn:
            assert np.asarray(drawn.convert("RGB")).std() > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.png", "pair.png"]


def test_nan_is_refused():
    with pytest.raises(ValueError, match="got 1 cells"):
        overlays.overlay(PICTURE, np.array([[np.nan, 0.0]]))
