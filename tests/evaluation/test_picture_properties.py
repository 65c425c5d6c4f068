"""Simple properties of pictures against Pillow and the formulas, and how scores follow them."""

import csv
import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scored_run import scene

from lena_jax.data.splits import open_pictures
from lena_jax.evaluation import picture_properties
from lena_jax.runs import folder
from lena_jax.runs.load import load_ranker


@pytest.mark.parametrize("seed", range(3))
def test_brightness_and_saturation_are_pillows(seed):
    picture = scene(seed, (90, 50))
    found = picture_properties.properties(np.asarray(picture))
    assert found["brightness"] == pytest.approx(np.asarray(picture.convert("L")).mean() / 255, abs=2e-3)
    assert found["saturation"] == pytest.approx(np.asarray(picture.convert("HSV"))[..., 1].mean() / 255, abs=3e-3)
    assert found["aspect_ratio"] == 1.8 and found["pixels"] == 4500


def test_colourfulness_by_its_formula():
    picture = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    rg = [float(r) - float(g) for r, g, _ in picture.reshape(-1, 3)]
    yb = [(float(r) + float(g)) / 2 - float(b) for r, g, b in picture.reshape(-1, 3)]
    expected = (np.var(rg) + np.var(yb)) ** 0.5 + 0.3 * (np.mean(rg) ** 2 + np.mean(yb) ** 2) ** 0.5
    assert picture_properties.properties(picture)["colourfulness"] == pytest.approx(expected)


def test_grey_and_black_and_large_pictures():
    grey = picture_properties.properties(np.full((3, 3, 3), 128, np.uint8))
    assert grey["saturation"] == grey["colourfulness"] == 0 and grey["brightness"] == pytest.approx(128 / 255)
    assert picture_properties.properties(np.zeros((1, 1, 3), np.uint8))["brightness"] == 0
    large = Image.fromarray(np.asarray(scene(1))).resize((1600, 1200), Image.Resampling.NEAREST)
    small, big = (picture_properties.properties(np.asarray(one)) for one in (scene(1), large))
    for name in ("brightness", "saturation", "colourfulness"):
        assert big[name] == pytest.approx(small[name], rel=0.02)
    assert big["pixels"] == 1600 * 1200


def test_dependence_is_spearmans_rho(run):
    pictures = open_pictures(load_ranker(run).config)["test"]
    predicted = folder.read_predicted(str(run), pictures)
    with open(run / "scores.csv", newline="") as file:
        table = {row["id"]: float(row["predicted"]) for row in csv.DictReader(file)}
    assert predicted.tolist() == [table[name] for name in pictures.ids]
    found = picture_properties.dependence(pictures, predicted)
    luma = [np.asarray(Image.fromarray(pictures.picture(index)).convert("L")).mean() for index in range(len(pictures))]
    ours = found["brightness"]
    assert ours["true"] == pytest.approx(stats.spearmanr(luma, pictures.scores).statistic, abs=0.02)
    assert ours["predicted"] == pytest.approx(stats.spearmanr(luma, predicted).statistic, abs=0.02)
    constant = dataclasses.replace(pictures, scores=np.zeros(len(pictures)))
    assert picture_properties.dependence(constant, predicted)["pixels"]["true"] is None
    with pytest.raises(ValueError, match="is of other pictures"):
        folder.read_predicted(str(run), pictures.subset([0, 1]))
