"""Scoring follows how the model was trained to resize: scores, maps and boxes of padded and cropped pictures."""

import numpy as np
import pytest
import tiny_trunk
from PIL import Image
from scored_run import random_variables

from lena_jax.data.transforms import resize
from lena_jax.localization import on_picture
from lena_jax.models import ranker
from lena_jax.runs import saved_model
from lena_jax.scoring import Scorer, drawing

pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.mark.parametrize("how", ["pad", "crop"])
def test_scores_maps_and_boxes_follow_the_model(how, tmp_path):
    config = tiny_trunk.get_config()
    config.resize = how
    model = ranker.build(config)
    variables = random_variables(model)
    picture = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    scorer = Scorer(model, variables)
    found = scorer.explain(picture)
    score, added, _ = model.explain(variables, resize(picture, 64, how=how)[None])
    assert found.score == pytest.approx(float(score[0]), abs=1e-4) and found.resize == how
    assert next(iter(scorer.score(picture))).score == pytest.approx(found.score, abs=1e-4)
    np.testing.assert_allclose(found.map, added[0], atol=1e-4)
    shown = on_picture(found.map[None], 48, 96, how)[0]
    assert shown.shape == (48, 96) and shown.any()
    assert found.boxes.min() >= 0 and np.all(found.boxes[:, [2, 3]] <= [48, 96])
    if how == "crop":
        assert np.all(found.boxes[:, 1] >= 24 - 1) and np.all(found.boxes[:, 3] <= 72 + 1)
    drawing.save_explanation(str(tmp_path / "map.png"), found)
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.size[0] > 100
    assert saved_model.network_of(config)["resize"] == how
