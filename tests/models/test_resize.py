"""Padded pictures: cells beside the picture are in no support and no map, in the model, in training and in scoring."""

import jax
import numpy as np
import pytest
import tiny_trunk

from lena_jax import backbones
from lena_jax.data.transforms import resize
from lena_jax.models import ranker
from lena_jax.pooling.lena import lena_pool
from lena_jax.train.padded_means import padded_means

pytestmark = pytest.mark.usefixtures("tiny_trunks")
WIDE = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
TALL = np.random.default_rng(1).integers(0, 256, (80, 40, 3), dtype=np.uint8)
SQUARE = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def model_of(how, pooling="lena", **change):
    config = tiny_trunk.get_config()
    config.resize, config.pooling = how, pooling
    config.update(change)
    return ranker.build(config)


def random_variables(model):
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape, scale=0.5).astype(np.float32), model.abstract_variables()
    )


@pytest.mark.parametrize("pooling", ["lena", "average", "max"])
def test_padded_cells_are_in_no_support_and_no_map(pooling):
    model, squashed = model_of("pad", pooling), model_of("squash", pooling)
    variables = random_variables(squashed)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, random_variables(model))
    inputs = np.stack([resize(one, 64, how="pad") for one in (WIDE, TALL, SQUARE)])
    scores, contributions, virality = map(np.asarray, jax.jit(model.explain)(variables, inputs))
    # By hand: the backbone sees zeros beside the picture, and the pooling half of the cells.
    normal = np.array(backbones.normalize(inputs[..., :3], model.preprocessing)) * (inputs[..., 3:] / 255)
    maps = np.asarray(squashed.network.apply(variables, normal, method="feature_map"), np.float32)
    cells = [maps[0, 2:6].reshape(-1, 12), maps[1, :, 2:6].reshape(-1, 12), maps[2].reshape(-1, 12)]
    eta = 1 / (1 + np.exp(-variables["params"]["pooling"]["eta"])) if pooling == "lena" else None
    head = variables["params"]["head"]
    for one, score, added, shown in zip(cells, scores, contributions, virality, strict=True):
        count = len(one)
        if pooling == "lena":
            ordered, support = -np.sort(-one, 0), 1 + eta * (count - 1)
            pooled = np.sum(np.clip(support - np.arange(count)[:, None], 0, 1) * ordered, 0) / support
        else:
            pooled = one.mean(0) if pooling == "average" else one.max(0)
        assert score == pytest.approx(float(pooled @ head["kernel"][:, 0] + head["bias"][0]), abs=1e-4)
        assert added.sum() + head["bias"][0] == pytest.approx(score, abs=1e-4)
        assert (shown != 0).sum() <= count
    for found in (contributions, virality):
        assert not found[0, :2].any() and not found[0, 6:].any() and not found[1, :, :2].any()
    # A square picture is the same in all ways.
    plain = jax.jit(squashed.score_pictures)(variables, SQUARE[None])
    np.testing.assert_allclose(scores[2], plain[0], atol=1e-4)


def test_a_clip_is_padded_frame_by_frame():
    model = model_of("pad")
    variables = random_variables(model)
    clip = resize(np.stack([WIDE, WIDE]), 64, how="pad")[None]
    alone = jax.jit(model.score_pictures)(variables, clip[0, :1])
    for pooling in ("frame_mean", "joint"):
        both = jax.jit(model_of("pad", clip_pooling=pooling).explain)(variables, clip)
        assert not np.asarray(both[1])[:, :, :2].any()
        if pooling == "frame_mean":
            np.testing.assert_allclose(both[0], alone, atol=1e-4)


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="got resize 'stretch' with fusion 'none', expected one of"):
        model_of("stretch")
    with pytest.raises(ValueError, match="got resize 'pad' with fusion 'concat', expected one of .'squash'"):
        model_of("pad", fusion="concat")


def test_supports_are_searched_as_they_are_pooled():
    rng = np.random.default_rng(0)
    maps, inside = rng.normal(size=(3, 9, 4)).astype(np.float32), np.ones((3, 9), bool)
    inside[0, 6:], inside[1, 1:] = False, False
    means = padded_means(maps, inside)
    for size in range(1, 10):
        expected = lena_pool(maps[:, :, None], (size - 1) / 8, where=inside[:, :, None, None])
        np.testing.assert_allclose(means[:, size - 1], np.asarray(expected).T, atol=1e-5)
