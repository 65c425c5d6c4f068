"""A backbone of one convolution and one BatchNorm, with weights written out: what the tests of sources convert."""

import flax.linen as nn
import numpy as np

from lena_jax.backbones import BACKBONES, Backbone, Preprocessing

NAME = "tiny"
LAYER = {
    ("params", "conv", "kernel"): "conv.weight",
    ("params", "conv", "bias"): "conv.bias",
    ("params", "norm", "scale"): "norm.weight",
    ("params", "norm", "bias"): "norm.bias",
    ("batch_stats", "norm", "mean"): "norm.running_mean",
    ("batch_stats", "norm", "var"): "norm.running_var",
}
NAMINGS = {"one": LAYER, "other": {path: f"features.{key}" for path, key in LAYER.items()}}


class TinyBackbone(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(use_running_average=True, name="norm")(nn.Conv(2, (3, 5), name="conv")(x))


BACKBONE = Backbone(
    name=NAME,
    build=TinyBackbone,
    stride=1,
    channels=2,
    preprocessing=Preprocessing((0.5, 0.4, 0.3), (0.2, 0.1, 0.3)),
    stages=("conv", "norm"),
    endpoints=("norm",),
    torch_keys=lambda: NAMINGS,
    classifier_prefixes=("fc.",),
    classifier_keys=(("fc.weight", "fc.bias"),),
)


def register(monkeypatch):
    monkeypatch.setitem(BACKBONES, NAME, BACKBONE)


def state(prefix=""):
    """A PyTorch state dictionary of the backbone; numbers that float16 and bfloat16 hold."""
    shapes = {
        "conv.weight": (2, 3, 3, 5),
        "conv.bias": (2,),
        "norm.weight": (2,),
        "norm.bias": (2,),
        "norm.running_mean": (2,),
        "norm.running_var": (2,),
    }
    tensors, start = {}, 0
    for key, shape in shapes.items():
        size = int(np.prod(shape))
        tensors[prefix + key] = np.arange(start, start + size, dtype=np.float32).reshape(shape) - 64
        start += size
    return tensors


def check(variables):
    """Asserts that the variables are those of `state`, bit for bit."""
    tensors = state()
    assert {kind: set(layers) for kind, layers in variables.items()} == {
        "params": {"conv", "norm"},
        "batch_stats": {"norm"},
    }
    for (kind, layer, leaf), key in LAYER.items():
        got, expected = variables[kind][layer][leaf], tensors[key]
        assert isinstance(got, np.ndarray) and got.dtype == np.float32
        if expected.ndim == 4:
            for index in np.ndindex(expected.shape):
                assert got[index[2], index[3], index[1], index[0]] == expected[index]
        else:
            np.testing.assert_array_equal(got, expected)
