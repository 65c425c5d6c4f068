import jax.numpy as jnp
import numpy as np
import pytest
import tiny_trunk

from lena_jax.config import default_config
from lena_jax.data.splits import open_pictures
from lena_jax.data.transforms import Augmentation, resize
from lena_jax.models import feature_cache as features
from lena_jax.models import ranker
from lena_jax.models.feature_cache import feature_cache, features_folder

pytestmark = pytest.mark.usefixtures("tiny_trunks")


@pytest.fixture
def setting(planted_dir):
    config = tiny_trunk.get_config()
    config.backbone.frozen, config.data.dir = True, str(planted_dir)
    model = ranker.build(config)
    return model, model.init(0, pretrained=False), open_pictures(config)["validation"]


def build(setting, folder, **change):
    model, variables, pictures = setting
    options = {"views": 2, "augmentation": Augmentation(), "seed": 0, "label": "test"} | change
    return feature_cache(model, variables, pictures, cache_dir=str(folder), **options)


def test_the_cache_holds_the_backbones_features_and_is_used_again(setting, tmp_path, monkeypatch):
    model, variables, pictures = setting
    maps = build(setting, tmp_path)
    assert maps.shape == (2, 16, 8, 8, 12) and maps.dtype == np.float16
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


def test_features_too_large_for_float16_are_stored_as_bfloat16(setting, tmp_path, monkeypatch, capsys):
    model, variables, pictures = setting
    # 1,000 times larger features than float16 can have.
    large = jnp.float32(7e7)
    monkeypatch.setattr(ranker.Ranker, "feature_map", lambda self, v, x: jnp.full((len(x), 8, 8, 12), large))
    maps = build(setting, tmp_path, views=1)
    assert maps.dtype == jnp.bfloat16 and maps.shape == (1, 16, 8, 8, 12)
    np.testing.assert_allclose(maps.astype(np.float32), 7e7, rtol=2**-8)
    said = capsys.readouterr().out
    assert "test: 16 pictures x 1 views of 8 x 8 x 12 float16 = 0 MB, in" in said
    assert "some are too large for float16, so bfloat16 is used" in said
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]
    monkeypatch.setattr(features, "in_batches", None)  # Calling it again would fail.
    np.testing.assert_array_equal(build(setting, tmp_path, views=1), maps)
    assert capsys.readouterr().out == ""


def test_features_that_are_not_finite_are_refused(setting, tmp_path, monkeypatch):
    monkeypatch.setattr(ranker.Ranker, "feature_map", lambda self, v, x: jnp.full((len(x), 8, 8, 12), jnp.nan))
    with pytest.raises(ValueError, match="got values up to nan"):
        build(setting, tmp_path, views=1)
    assert not list(tmp_path.iterdir())


def test_where_features_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = default_config()
    config.data.dir = str(tmp_path / "data")
    assert features_folder(config) == str(tmp_path / "data" / "features")
    # A file stands in for a folder that cannot be written: root may write everywhere.
    (tmp_path / "data").write_text("")
    assert features_folder(config) == str(tmp_path / "cache" / "lena_jax" / "features")
    config.data.cache_dir = str(tmp_path / "mine")
    assert features_folder(config) == str(tmp_path / "mine")
