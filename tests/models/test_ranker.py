import jax
import numpy as np
import pytest
import tiny_trunk

from lena_jax import backbones
from lena_jax.models import ranker
from lena_jax.models.batching import in_batches, on_devices

pytestmark = pytest.mark.usefixtures("tiny_trunks")
CHANNELS = {"none": 12, "concat": 13, "gate": 12, "learned_gate": 12}


def model_of(fusion, pooling="lena"):
    config = tiny_trunk.get_config()
    config.fusion, config.pooling = fusion, pooling
    return ranker.build(config)


def random_inputs(fusion, count, seed=0):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    objectness = rng.integers(0, 256, (count, 64, 64), dtype=np.uint8)
    return pictures if fusion == "none" else {"pictures": pictures, "objectness": objectness}


def random_variables(model, seed=1):
    """Make variables that all differ from their initial values."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape, scale=0.5).astype(np.float32), model.abstract_variables()
    )


def lena_by_sorting(z, eta):
    """(pooled value, weights of the cells) of one map [M], in float64, as the formula reads."""
    support = 1 + eta * (len(z) - 1)
    order = np.argsort(-z)
    weights = np.empty(len(z))
    weights[order] = np.clip(support - np.arange(len(z)), 0, 1) / support
    return weights @ z, weights


@pytest.mark.parametrize("fusion", CHANNELS)
def test_scores_and_maps_are_those_of_the_formulas(fusion):
    model, inputs = model_of(fusion), random_inputs(fusion, 3)
    variables = random_variables(model)
    scores, contributions, virality = jax.jit(model.explain)(variables, inputs)
    z = np.asarray(
        jax.jit(model.feature_map)(variables, inputs if fusion == "none" else inputs["pictures"]), np.float64
    )
    if fusion != "none":
        cells = inputs["objectness"].reshape(3, 8, 8, 8, 8).mean((2, 4), dtype=np.float64)[..., None] / 255
        if fusion == "learned_gate":
            closed = 1 / (1 + np.exp(-np.float64(variables["params"]["gate"])))
            cells = 1 - closed + closed * cells
        z = np.concatenate([z, cells], -1) if fusion == "concat" else z * cells
    assert z.shape == (3, 8, 8, CHANNELS[fusion]) and np.ptp(z, (1, 2)).max() > 0.1
    head = variables["params"]["head"]
    kernel, eta = head["kernel"][:, 0], 1 / (1 + np.exp(-np.float64(variables["params"]["pooling"]["eta"])))
    assert kernel.shape == eta.shape == (CHANNELS[fusion],)
    pooled = [[lena_by_sorting(one[:, c], eta[c]) for c in range(len(eta))] for one in z.reshape(3, 64, -1)]
    expected = np.array([[value for value, _ in one] for one in pooled]) @ kernel + head["bias"][0]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    np.testing.assert_allclose(virality, z @ kernel, atol=1e-4)
    np.testing.assert_allclose(contributions.sum((1, 2)), expected - head["bias"][0], atol=1e-4)
    # Where features tie (behind a ReLU, at 0) they add nothing, so the order of the sort does not show.
    parts = np.array(
        [
            [weights * z.reshape(3, 64, -1)[n, :, c] for c, (_, weights) in enumerate(one)]
            for n, one in enumerate(pooled)
        ]
    )
    np.testing.assert_allclose(contributions.reshape(3, 64), np.einsum("ncm,c->nm", parts, kernel), atol=1e-4)


@pytest.mark.parametrize("fusion, pooling", [("none", "lena"), ("concat", "weldon"), ("none", "average")])
def test_a_baseline_changes_maps_but_no_score(fusion, pooling):
    model, inputs = model_of(fusion, pooling), random_inputs(fusion, 5)
    plain = random_variables(model)
    explain = jax.jit(model.explain)
    scores, maps, virality = map(np.asarray, explain(plain, inputs))
    pooled = np.asarray(model.pooled(plain, model.features(plain, inputs)))
    moved = model.with_baseline(plain, pooled.mean(0))
    again, above, same = map(np.asarray, explain(moved, inputs))
    np.testing.assert_allclose(again, scores, atol=1e-4)
    np.testing.assert_allclose(same, virality, atol=1e-5)
    # The bias is the mean score of the pictures whose mean is the baseline, and the cells say what is above it.
    bias = moved["params"]["head"]["bias"][0]
    assert bias == pytest.approx(scores.mean(), abs=1e-4)
    np.testing.assert_allclose(above.sum((1, 2)), scores - bias, atol=1e-4)
    # Relative to itself, a picture has nothing to add.
    alone = jax.tree.map(lambda leaf: leaf[:1], inputs)
    itself = model.with_baseline(moved, pooled[0])
    assert explain(itself, alone)[1].sum() == pytest.approx(0, abs=1e-4)
    if pooling == "average":
        np.testing.assert_allclose(above - maps, np.full_like(maps, (above - maps).mean()), atol=1e-5)
    for there_and_back in (model.with_baseline(moved, None), model.with_baseline(itself, None)):
        assert jax.tree.structure(there_and_back) == jax.tree.structure(plain)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), there_and_back, plain)
    with pytest.raises(ValueError, match=r"got a baseline of shape \(3,\), expected"):
        model.with_baseline(plain, np.zeros(3))


@pytest.mark.parametrize("fusion", ["concat", "gate", "learned_gate"])
def test_the_map_counts(fusion):
    model, inputs = model_of(fusion), random_inputs(fusion, 2)
    variables = random_variables(model)
    score = jax.jit(model.score_pictures)
    scores = score(variables, inputs)
    np.testing.assert_allclose(scores, jax.jit(model.explain)(variables, inputs)[0], atol=1e-5)
    changed = score(variables, inputs | {"objectness": 255 - inputs["objectness"]})
    assert np.abs(np.asarray(scores) - np.asarray(changed)).min() > 1e-3


@pytest.mark.parametrize("fusion", CHANNELS)
def test_a_pretrained_backbone_gets_the_head_that_its_fusion_needs(fusion, monkeypatch):
    model = model_of(fusion)
    backbone = jax.tree.map(np.asarray, model_of("none").init(7, pretrained=False)["params"]["backbone"])
    monkeypatch.setattr(backbones, "load_pretrained", lambda name, source: {"params": backbone})
    variables = model.init(0)
    shapes = jax.tree.map(np.shape, variables["params"])
    assert shapes["head"]["kernel"] == (CHANNELS[fusion], 1) and shapes["pooling"]["eta"] == (CHANNELS[fusion],)
    assert shapes == jax.tree.map(np.shape, model.abstract_variables()["params"])
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["backbone"], backbone)


def test_batches_of_pytrees_are_padded_and_split_over_devices():
    rows = [{"picture": np.full((2, 2), number, np.float32), "map": np.int32(number)} for number in range(7)]
    seen = []

    def summed(variables, batch):
        seen.append(batch["picture"].shape)
        return {"sum": batch["picture"].sum((1, 2)) + batch["map"] + variables}

    compiled = on_devices(summed, np.float32(0.5), 4)
    parts = list(in_batches(compiled, iter(rows), 4))
    assert [len(part["sum"]) for part in parts] == [4, 3] and seen == [(4, 2, 2)]
    np.testing.assert_array_equal(np.concatenate([part["sum"] for part in parts]), 5 * np.arange(7) + 0.5)


def test_an_unknown_fusion_is_refused():
    with pytest.raises(
        ValueError, match=r"got fusion 'gated', expected one of \('none', 'concat', 'gate', 'learned_gate'\)"
    ):
        model_of("gated")
