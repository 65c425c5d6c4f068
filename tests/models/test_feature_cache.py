import numpy as np
import pytest

from lena_jax.data.splits import open_pictures
from lena_jax.data.transforms import Augmentation, resize
from lena_jax.models import feature_cache as features
from lena_jax.models import ranker
from lena_jax.models.feature_cache import feature_cache


@pytest.fixture
def setting(small_config):
    model = ranker.build(small_config)
    return model, model.init(0), open_pictures(small_config)["validation"]


def build(setting, folder, **change):
    model, variables, pictures = setting
    options = {"views": 2, "augmentation": Augmentation(), "seed": 0, "label": "test"} | change
    return feature_cache(model, variables, pictures, cache_dir=str(folder), **options)


def test_the_cache_holds_the_backbones_features_and_is_used_again(setting, tmp_path, monkeypatch):
    model, variables, pictures = setting
    maps = build(setting, tmp_path)
    assert maps.shape == (2, 16, 4, 4, 672) and maps.dtype == np.float16
    expected = model.feature_map(variables, np.stack([resize(pictures.picture(i), 64) for i in (0, 9)]))
    np.testing.assert_allclose(maps[0, [0, 9]], expected, atol=4e-3)
    assert not np.array_equal(maps[0], maps[1])
    monkeypatch.setattr(features, "in_batches", None)  # Calling it again would fail.
    np.testing.assert_array_equal(build(setting, tmp_path), maps)
    with pytest.raises(TypeError):
        build(setting, tmp_path, seed=1)


def test_an_interrupted_computation_leaves_nothing(setting, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Augmentation, "view", fail)
    with pytest.raises(KeyboardInterrupt):
        build(setting, tmp_path)
    assert not list(tmp_path.iterdir())
