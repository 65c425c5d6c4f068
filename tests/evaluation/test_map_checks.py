import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax.evaluation import map_checks
from lena_jax.report import tables

WEIGHTS = np.random.default_rng(0).normal(size=(4, 4)).repeat(4, 0).repeat(4, 1).astype(np.float32)


class Linear:
    """A model whose score is a weighted sum of the pixels, times their objectness if it is fused."""

    image_size, resize = 16, "squash"

    def __init__(self, fusion):
        self.fusion = fusion

    def score_pictures(self, variables, inputs):
        if self.fusion == "none":
            return jnp.einsum("bhwc,hw->b", inputs, variables, precision="highest")
        return jnp.einsum(
            "bhwc,hw,bhw->b",
            inputs["pictures"],
            variables,
            inputs["objectness"].astype(jnp.float32),
            precision="highest",
        )


class Pictures:
    """Random pictures, twice as large as the model's input."""

    def __init__(self, count):
        self._pictures = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)

    def __len__(self):
        return len(self._pictures)

    def picture(self, index):
        return self._pictures[index]

    def objectness_map(self, index):
        return np.random.default_rng(index).integers(0, 2, (16, 16), dtype=np.uint8)


@pytest.mark.parametrize("fusion", ["none", "gate"])
def test_an_exact_map_agrees_with_occlusion_and_a_random_one_does_not(fusion):
    from lena_jax.data.transforms import resize

    pictures = Pictures(8)
    away = np.stack([resize(pictures.picture(index), 16).astype(np.float32) for index in range(8)])
    away -= away.mean((1, 2), keepdims=True)
    weights = WEIGHTS if fusion == "none" else WEIGHTS * np.stack([pictures.objectness_map(n) for n in range(8)])
    exact = (away.sum(-1) * weights).reshape(8, 4, 4, 4, 4).sum((2, 4))
    maps = {"exact": exact, "random": np.random.default_rng(2).normal(size=exact.shape)}
    checks = map_checks.check_maps(Linear(fusion), WEIGHTS, pictures, maps, 6, batch_size=5)
    agreement, curves = checks["occlusion_agreement"], checks["insertion_deletion"]
    assert checks["pictures"] == agreement["exact"]["pictures"] == 6
    # For a linear score contribution, gradient and occlusion are one.
    assert agreement["exact"]["value"] > 0.99 and agreement["gradient_map"]["value"] > 0.99
    assert abs(agreement["random"]["value"]) < 0.4
    assert sorted(curves) == ["exact", "gradient_map", "occlusion_map", "random"]
    assert curves["exact"]["gain"]["low"] > abs(curves["random"]["gain"]["value"])
    assert curves["exact"]["gain"]["value"] == pytest.approx(curves["occlusion_map"]["gain"]["value"], rel=0.05)
    assert curves["exact"]["insertion_area"]["value"] > 0.5 > curves["exact"]["deletion_area"]["value"]


def test_the_table_shows_them():
    interval = {"value": 0.25, "low": None, "high": 1.0}
    metrics = {
        "data": "d",
        "split": "test",
        "pictures": 2,
        "pairs": 1,
        "pooling": "lena",
        "step": 1,
        **dict.fromkeys(("pair_accuracy", "spearman", "kendall"), interval),
        "map_checks": {
            "pictures": 1,
            "occlusion_agreement": {"virality_map": {**interval, "pictures": 1}},
            "insertion_deletion": {"virality_map": dict.fromkeys(map_checks.AREAS, interval)},
        },
    }
    text = tables.table(metrics, "runs/x")
    assert "agrees with occlusion 0.250  [undefined, 1.000]" in text and "insertion area 0.250" in text
