"""AlexNet's feature maps and names."""

import jax
import numpy as np
import pytest

from lena_jax.backbones import alexnet


@pytest.mark.parametrize("size, expected", [((224, 224), (13, 13)), ((227, 64), (13, 3)), ((231, 72), (13, 3))])
def test_the_border_is_not_kept(size, expected):
    x = jax.ShapeDtypeStruct((2, *size, 3), np.float32)
    y, variables = jax.eval_shape(alexnet.AlexNet().init_with_output, jax.random.key(0), x)
    assert y.shape == (2, *expected, 256)
    assert tuple(variables["params"]) == alexnet.STAGES and list(variables) == ["params"]


def test_the_classifier_has_other_names_than_the_backbone():
    classifier = ["classifier.1.weight", "classifier.4.weight", "classifier.6.bias"]
    assert all(key.startswith(alexnet.CLASSIFIER_PREFIXES) for key in classifier)
    keys = alexnet.torch_keys()["torchvision"]
    assert not any(key.startswith(alexnet.CLASSIFIER_PREFIXES) for key in keys.values())
    assert keys["params", "conv5", "kernel"] == "features.10.weight"
