"""Scores of clips: one frame scores like a picture, joint pooling pools all axes, maps sum to the score."""

import dataclasses

import jax
import numpy as np
import pytest

from lena_jax import pooling
from lena_jax.evaluation.export import save_model
from lena_jax.models import ranker
from lena_jax.models.siamese import SiameseRanker
from lena_jax.scoring import Scorer, load_model
from lena_jax.scoring.clips import ClipScorer


@pytest.fixture(scope="module")
def scorer(run):
    return Scorer.from_checkpoint(run)


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, 40, 56, 3), dtype=np.uint8)


def with_pooling(scorer, clip_pooling="joint", name="lena"):
    """A scorer with the same backbone and head but another pooling."""
    import tiny_trunk

    config = tiny_trunk.get_config()
    config.pooling, config.clip_pooling = name, clip_pooling
    model = dataclasses.replace(ranker.build(config), preprocessing=scorer.model.preprocessing)
    params = model.init(0, pretrained=False)["params"] | {
        part: scorer.variables["params"][part] for part in ("backbone", "head")
    }
    return Scorer(model, {**scorer.variables, "params": params})


def test_a_clip_of_one_frame_has_the_score_of_the_picture(scorer, frames):
    found = ClipScorer(scorer).score(frames[:1])
    picture = next(scorer.score(frames[0])).score
    assert found.score == pytest.approx(picture, abs=1e-5) and found.frame_mean == pytest.approx(picture, abs=1e-5)


def test_frame_scores_are_those_of_stills_and_do_not_depend_on_their_order(scorer, frames):
    clips = ClipScorer(scorer)
    found, turned = clips.score(frames), clips.score(frames[[3, 0, 4, 2, 1]])
    stills = [one.score for one in scorer.score(frames)]
    np.testing.assert_allclose(found.frame_scores, stills, atol=1e-5)
    np.testing.assert_allclose(turned.frame_scores, np.array(stills)[[3, 0, 4, 2, 1]], atol=1e-5)
    assert found.frame_mean == pytest.approx(np.mean(stills), abs=1e-5)
    assert turned.score == pytest.approx(found.score, abs=1e-5)
    assert np.ptp(stills) > 1e-3 and abs(found.score - found.frame_mean) > 1e-4


@pytest.mark.parametrize("name", ["lena", "weldon", "gem"])
@pytest.mark.parametrize("clip_pooling", ["joint", "frame_mean"])
def test_contributions_of_a_clip_sum_to_its_score(scorer, frames, name, clip_pooling):
    other = with_pooling(scorer, clip_pooling, name)
    found = ClipScorer(other).score(frames)
    if not other.model.network.pooling.reproduces:
        assert found.contributions is None and found.frame_contributions is None
        return
    bias = float(other.variables["params"]["head"]["bias"][0])
    assert found.contributions.shape == (5, 8, 8)
    assert found.contributions.sum() == pytest.approx(found.score - bias, abs=1e-4)
    np.testing.assert_allclose(found.frame_contributions, found.contributions.sum((1, 2)), atol=1e-5)
    if clip_pooling == "frame_mean":
        assert found.score == pytest.approx(found.frame_mean, abs=1e-5)
        np.testing.assert_allclose(5 * found.frame_contributions + bias, found.frame_scores, atol=1e-4)


def test_joint_pooling_is_that_over_the_axes_of_time_and_space(scorer):
    """Compares with LENA over all axes and with an explicit sort, for any order of the frames."""
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(2, 6, 4, 3, 12)).astype(np.float32)
    model = with_pooling(scorer).model
    network = SiameseRanker(backbone=None, pooling=model.network.pooling)
    eta = rng.normal(0, 2, 12).astype(np.float32)
    params = {
        "pooling": {"eta": eta},
        "head": {"kernel": rng.normal(size=(12, 1)).astype(np.float32), "bias": np.float32([0.3])},
    }
    share = 1 / (1 + np.exp(-eta.astype(np.float64)))
    ordered = -np.sort(-maps.reshape(2, 72, 12).astype(np.float64), 1)
    size = 1 + share * 71
    pooled = (np.clip(size - np.arange(72)[:, None], 0, 1) * ordered).sum(1) / size
    np.testing.assert_allclose(pooling.lena_pool(maps, share.astype(np.float32), axis=(-4, -3, -2)), pooled, rtol=1e-5)
    expected = pooled @ params["head"]["kernel"][:, 0] + 0.3
    for order in (np.arange(6), rng.permutation(6)):
        scores = network.apply({"params": params}, maps[:, order], method="score")
        np.testing.assert_allclose(scores, expected, atol=1e-4)
    weights = network.apply({"params": params}, maps, method="cell_weights")
    assert weights.shape == maps.shape
    np.testing.assert_allclose(weights.sum((1, 2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose((weights * maps).sum((1, 2, 3)), pooled, atol=1e-4)


def test_the_backbone_sees_the_frames_of_a_clip_one_by_one(scorer, frames):
    clips = np.stack([frames, frames[::-1]])[:, :, :32, :32]
    maps = jax.jit(scorer.model.feature_map)(scorer.variables, clips)
    one = jax.jit(scorer.model.feature_map)(scorer.variables, clips[1])
    np.testing.assert_allclose(maps[1], one, atol=1e-5)
    assert maps.shape == (2, 5, 4, 4, 12)


def test_more_frames_than_a_batch(scorer):
    many = np.random.default_rng(2).integers(0, 256, (35, 20, 20, 3), dtype=np.uint8)
    found = ClipScorer(scorer).score(iter(many))
    np.testing.assert_allclose(found.frame_scores, [one.score for one in scorer.score(many)], atol=1e-5)


def test_no_frames_and_models_with_objectness_are_refused(scorer):
    with pytest.raises(ValueError, match="0 frames"):
        ClipScorer(scorer).score([])
    import tiny_trunk

    config = tiny_trunk.get_config()
    config.fusion = "gate"
    fused = Scorer(ranker.build(config), scorer.variables, objectness=object())
    with pytest.raises(ValueError, match="fusion='gate' for clips"):
        ClipScorer(fused)
    with pytest.raises(ValueError, match="without objectness"):
        next(fused.feature_maps([np.zeros((8, 8, 3), np.uint8)]))


def test_an_unknown_pooling_of_clips_is_refused():
    import tiny_trunk

    config = tiny_trunk.get_config()
    config.clip_pooling = "median"
    with pytest.raises(ValueError, match="clip_pooling 'median'"):
        ranker.build(config)


def test_saved_models_keep_the_pooling_of_clips_and_older_ones_have_the_default(run, tmp_path):
    folder = save_model(str(run), tmp_path / "model")
    path = folder / "model.json"
    stored = path.read_text()
    assert '"clip_pooling": "joint"' in stored
    path.write_text(stored.replace('"clip_pooling": "joint"', '"clip_pooling": "frame_mean"'))
    assert load_model(folder).model.network.clip_pooling == "frame_mean"
    import json

    description = json.loads(stored)
    del description["network"]["clip_pooling"]
    path.write_text(json.dumps(description))
    assert load_model(folder).model.network.clip_pooling == "joint"
