import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_trunk

from lena_jax.models import ranker
from lena_jax.studies.adabn import adapt_batch_norm, running_update


@pytest.fixture(scope="module")
def model(tiny_trunks):
    config = tiny_trunk.get_config()
    config.backbone.name, config.pooling = "tiny_norm", "average"
    built = ranker.build(config)
    return built, jax.tree.map(np.asarray, built.init(0, pretrained=False))


def welford(rows):
    """Mean and variance of each channel, one row at a time."""
    mean, square = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for count, row in enumerate(rows, 1):
        step = row - mean
        mean = mean + step / count
        square = square + step * (row - mean)
    return mean, square / len(rows)


def test_the_first_layer_has_the_moments_of_all_pictures_whatever_the_batches(model):
    built, variables = model
    pictures = np.random.default_rng(0).integers(0, 256, (10, 64, 64, 3)).astype(np.uint8)
    # A shift between batches, so that the variance between them counts.
    pictures[6:] //= 4
    before = jax.tree.map(np.copy, variables)
    adapted = adapt_batch_norm(running_update(built), variables, [pictures[:6], pictures[6:]])
    jax.tree.map(np.testing.assert_array_equal, variables, before)
    convolution = variables["params"]["backbone"]["first_conv"]
    normal = (pictures / 255 - 0.5) / 0.25
    outputs = (
        jax.lax.conv_general_dilated(
            jnp.asarray(normal, jnp.float32),
            convolution["kernel"],
            (4, 4),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        + convolution["bias"][None, None, None]
    )
    mean, var = welford(np.asarray(outputs, np.float64).reshape(-1, 8))
    first = adapted["batch_stats"]["backbone"]["first_norm"]
    assert first["mean"] == pytest.approx(mean, abs=1e-4) and first["var"] == pytest.approx(var, rel=1e-3)
    assert first["mean"].dtype == np.float32
    assert adapted["params"] is variables["params"]


def test_moments_are_put_together_as_welford_would():
    rng = np.random.default_rng(1)
    rows = rng.normal(3, 2, (30, 4)) * [1, 5, 0.1, 20]

    def update(variables, batch):
        old, momentum = variables["batch_stats"]["layer"], {"mean": 0.9, "var": 0.99}
        batch = {"mean": batch.mean(0), "var": batch.var(0)}
        return {"layer": {name: m * np.asarray(old[name]) + (1 - m) * batch[name] for name, m in momentum.items()}}

    variables = {"params": {}, "batch_stats": {"layer": {"mean": np.full(4, 7.0), "var": np.full(4, 9.0)}}}
    adapted = adapt_batch_norm(update, variables, [rows[:4], rows[4:5], rows[5:]])["batch_stats"]["layer"]
    mean, var = welford(rows)
    assert adapted["mean"] == pytest.approx(mean, rel=1e-5) and adapted["var"] == pytest.approx(var, rel=1e-5)


def test_what_cannot_be_adapted(model):
    built, variables = model
    with pytest.raises(ValueError, match="no batch"):
        adapt_batch_norm(running_update(built), variables, [])
    with pytest.raises(ValueError, match="without BatchNorm"):
        adapt_batch_norm(running_update(built), {"params": {}}, [])


def test_adaptation_closes_part_of_the_gap_that_a_colour_shift_opens(model):
    """The ranker knows its own colours; a cast that drives channels out of their range takes the order away."""
    built, variables = model
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(96, 64, 64, 3)) * 20
    level = rng.normal(size=(96, 1, 1, 3)) * [30, 20, 30]
    plain = np.clip(120 + level + noise, 0, 255)
    shifted = np.clip(plain * 0.3 + [170, 0, 60], 0, 255).astype(np.uint8)
    plain = plain.astype(np.uint8)
    update, score = running_update(built), jax.jit(built.score_pictures)
    home = adapt_batch_norm(update, variables, [plain])
    truth = np.asarray(score(home, plain))
    away, strange, control = (
        np.corrcoef(truth, np.asarray(score(one, shifted)))[0, 1]
        for one in (home, adapt_batch_norm(update, home, [shifted]), adapt_batch_norm(update, home, [plain]))
    )
    assert away < 0.8 and strange > away + 0.5 * (1 - away)
    assert control == pytest.approx(away, abs=1e-3)  # It is the target's pictures that do it, not another pass.
