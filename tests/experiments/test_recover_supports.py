import importlib.util
import os
import types

import numpy as np
import pytest

PATH = os.path.join(os.path.dirname(__file__), "..", "..", "experiments", "recover_supports.py")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("recover_supports", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_supports_of_made_scores_are_found_and_all_poolings_are_compared(
    script, small_config, tiny_trunks, monkeypatch, capsys
):
    small_config.backbone.name, small_config.backbone.pretrained, small_config.backbone.endpoint = "tiny", False, ""
    for flag, value in (("_CHANNELS", 3), ("_NOISE", 0.1), ("_SEED", 0), ("_STARTS", ["0.5"]), ("_FREEDOM", 1e3)):
        monkeypatch.setattr(script, flag, types.SimpleNamespace(value=value))
    script._made_scores(small_config)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    accuracy = {name.strip(): float(value) for name, value, *_ in rows}
    assert len(accuracy) == 5 + 2 * 2 + 2 and all(0 <= value <= 1 for value in accuracy.values())
    assert accuracy["true shares, channels known"] > max(accuracy["share 0"], 0.8)


def test_truth_is_drawn_without_repeats(script):
    true, shares, weights = script.draw_truth(np.random.default_rng(0), 20, 20)
    assert sorted(true) == list(range(20)) and (0 <= shares).all() and (shares <= 1).all() and weights.min() < 0


def test_correlations_are_pearsons(script):
    rng = np.random.default_rng(1)
    features, concepts = rng.normal(size=(5, 3, 3, 4)), rng.random((5, 3, 3, 2))
    expected = np.corrcoef(features.reshape(-1, 4).T, concepts.reshape(-1, 2).T)[:4, 4:]
    np.testing.assert_allclose(script.correlations(features, concepts), expected, atol=1e-5)


def test_carried_supports_by_hand(script):
    correlation = np.array([[0.9, 0.1], [0.5, 0.4], [0.2, 0.1], [0.0, -0.9]])
    count, mean = script.carried_supports(correlation, np.array([0.1, 0.4, 0.8, 0.9]), np.array([3.0, -1, 9, 9]), 0.3)
    assert count.tolist() == [2, 0]
    assert mean[0] == pytest.approx((3 * 0.1 + 0.4) / 4) and np.isnan(mean[1])


def test_concepts_are_where_the_picture_has_them(script, planted_dir):
    from data_prep.planted import score
    from lena_jax.data import dataset

    names = [*score.KINDS, "veil"]
    pictures = dataset.load("planted", planted_dir, "test").subset(np.arange(6))
    maps = script.concept_maps(pictures, 16, names)
    for index in range(6):
        record = pictures.record(index)
        raising = [place for place, kind in enumerate(names[:-1]) if score.EFFECTS[kind] > 0]
        mask = (record["mask"][..., 0] > 0).reshape(16, 8, 16, 8).mean((1, 3))
        np.testing.assert_allclose(maps[index][..., raising].sum(-1), mask, atol=1e-5)
        assert maps[index][..., -1].mean() == pytest.approx(record["veil_share"], abs=0.03)
