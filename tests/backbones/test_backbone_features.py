"""The backbone computes what the PyTorch implementation computes, at any size, stride and type."""

import backbone_reference as reference
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seeded_reference

from lena_jax.backbones import BACKBONES, get_backbone, load_classifier, load_pretrained, normalize
from lena_jax.backbones.efficientnet_lite import EfficientNetLite, lite_stages
from lena_jax.backbones.layers import ConvBN
from lena_jax.backbones.sources import find_file

LITE0 = "efficientnet_lite0"


@pytest.fixture(scope="module")
def variables():
    return load_pretrained(LITE0)


def features(variables, x, **options):
    return np.asarray(jax.jit(get_backbone(LITE0).build(**options).apply)(variables, x), np.float32)


def relative_error(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("size", reference.SIZES)
def test_features_equal_the_stored_reference(variables, size):
    got = features(variables, reference.pictures(*size))
    with np.load(reference.FILE) as stored:
        expected = stored[f"{size[0]}x{size[1]}"]
    assert got.shape[3] == get_backbone(LITE0).channels
    assert relative_error(got[..., :: reference.CHANNEL_STEP], expected) < 1e-4


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (96, 160), (75, 107)])
def test_features_equal_pytorch(variables, size):
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite_pytorch")
    x = reference.pictures(*size, batch=2)
    expected = reference.torch_features(LITE0, find_file(get_backbone(LITE0).source), x)
    assert relative_error(features(variables, x), expected) < 1e-4


@pytest.mark.parametrize("name", sorted(name for name in BACKBONES if name.startswith(LITE0[:-1]) and name != LITE0))
def test_larger_backbones_equal_pytorch(name):
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite_pytorch")
    try:
        weights = find_file(get_backbone(name).source)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    x = reference.pictures(96, 160)
    got = jax.jit(get_backbone(name).build().apply)(load_pretrained(name), x)
    assert relative_error(np.asarray(got), reference.torch_features(name, weights, x)) < 1e-4


@pytest.mark.parametrize("photograph, classes", [("chelsea", {281, 282, 285}), ("coffee", {967})])
def test_classifies_photographs(variables, photograph, classes):
    """281 tabby, 282 tiger cat, 285 Egyptian cat, 967 espresso."""
    data = pytest.importorskip("skimage.data")
    transform = pytest.importorskip("skimage.transform")
    picture = getattr(data, photograph)()
    side = min(picture.shape[:2])
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    picture = transform.resize(picture[top : top + side, left : left + side], (224, 224), anti_aliasing=True)
    picture = np.uint8(np.round(picture * 255))[None]

    feature_map = features(variables, normalize(picture, get_backbone(LITE0).preprocessing))
    kernel, bias = load_classifier(LITE0)
    logits = feature_map.mean((0, 1, 2)) @ kernel + bias
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    assert int(logits.argmax()) in classes
    assert probabilities[list(classes)].sum() > 0.8


def test_output_stride_16_holds_the_features_of_stride_32(variables):
    size = (128, 80)  # an even and an odd number of cells
    x = reference.pictures(*size)
    coarse = features(variables, x)
    fine = features(variables, x, output_stride=16)
    assert fine.shape[1:3] == tuple(-(-side // 16) for side in size)
    # "SAME" padding centres a strided window on the second of two cells, or the first where their number is
    # odd. It holds up to the border: the zeros beyond it are met by the same taps.
    rows, columns = (slice(1 - cells % 2, None, 2) for cells in fine.shape[1:3])
    assert relative_error(fine[:, rows, columns], coarse) < 1e-5
    assert np.abs(fine[:, 0] - fine[:, 1]).max() > 0.1


def test_the_endpoint_of_stride_16_is_a_layer_of_the_whole_backbone(variables):
    x = reference.pictures(96, 64)
    got = features(variables, x, endpoint="expand6")
    assert got.shape == (1, 6, 4, 672) and 0 <= got.min() and 4 < got.max() <= 6
    _, state = jax.jit(
        lambda x: (
            get_backbone(LITE0)
            .build()
            .apply(variables, x, capture_intermediates=lambda module, _: module.name == "expand")
        )
    )(x)
    expected = state["intermediates"]["stage6_block0"]["expand"]["__call__"][0]
    assert relative_error(got, np.asarray(expected)) < 1e-5


@pytest.mark.parametrize(
    "size, grid, options",
    [
        ((96, 64), 16, {"output_stride": 16}),
        ((75, 107), 32, {}),
        ((75, 107), 8, {"endpoint": "multilevel_8"}),
    ],
)
def test_multilevel_is_the_expansions_and_the_head_on_one_grid(variables, size, grid, options):
    x = reference.pictures(*size)
    got = features(variables, x, **{"endpoint": "multilevel"} | options)
    whole = get_backbone(LITE0).build(output_stride=options.get("output_stride", 32))
    head, state = jax.jit(
        lambda x: whole.apply(variables, x, capture_intermediates=lambda module, _: module.name == "expand")
    )(x)
    last = options.get("output_stride", 32)
    found = [state["intermediates"][f"stage{stage}_block0"]["expand"]["__call__"][0] for stage in range(3, 8)]
    expected = []
    for level, stride in zip([*found, head], (4, 8, 16, 16, last, last), strict=True):
        level, side, k = np.asarray(level, np.float64), max(1, grid // stride), max(1, stride // grid)
        expected.append(
            [
                [
                    level[
                        :, row // k * side : (row // k + 1) * side, column // k * side : (column // k + 1) * side
                    ].mean((1, 2))
                    for column in range(-(-size[1] // grid))
                ]
                for row in range(-(-size[0] // grid))
            ]
        )
    expected = np.concatenate([np.moveaxis(level, 2, 0) for level in expected], -1)
    assert got.shape[3] == 144 + 240 + 480 + 672 + 1152 + 1280 and got.min() >= 0
    assert got.shape == expected.shape and relative_error(got, expected) < 1e-5


def test_bfloat16_is_finite_and_close(variables):
    x = reference.pictures(64, 96)
    got = jax.jit(get_backbone(LITE0).build(dtype=jnp.bfloat16).apply)(variables, x)
    assert got.dtype == jnp.bfloat16
    got, expected = np.asarray(got, np.float32), features(variables, x)
    assert np.isfinite(got).all()
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.98


def test_train_mode_normalises_by_the_batch_and_updates_the_statistics(variables):
    module = get_backbone(LITE0).build()
    x = reference.pictures(64, 64, batch=4)
    got, updated = jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))(variables, x)
    assert got.shape == (4, 2, 2, 1280) and np.isfinite(np.asarray(got)).all()
    kernel = variables["params"]["stem"]["kernel"]
    y = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    for name, moment in (("mean", y.mean((0, 1, 2))), ("var", y.var((0, 1, 2)))):
        expected = 0.99 * variables["batch_stats"]["stem"][name] + 0.01 * moment
        np.testing.assert_allclose(updated["batch_stats"]["stem"][name], expected, rtol=1e-4, atol=1e-5)


def test_train_mode_over_two_devices_shares_the_statistics():
    x = reference.pictures(16, 16, batch=4)
    variables = ConvBN(8, 3, 2).init(jax.random.key(0), x)

    def run(axis_name):
        layer = ConvBN(8, 3, 2, axis_name=axis_name)
        return lambda x: layer.apply(variables, x, train=True, mutable=["batch_stats"])

    whole, whole_updated = jax.jit(run(None))(x)
    parts, parts_updated = jax.pmap(run("devices"), axis_name="devices")(x.reshape(2, 2, *x.shape[1:]))
    np.testing.assert_allclose(parts.reshape(whole.shape), whole, rtol=1e-4, atol=1e-5)
    for name, expected in whole_updated["batch_stats"].items():
        for device in range(2):
            got = parts_updated["batch_stats"][name][device]
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_gradient_reaches_every_parameter():
    # One block a stage: compiles in half the time.
    module = EfficientNetLite(stages=tuple(stage._replace(repeats=1) for stage in lite_stages()))
    reference.check_gradient_reaches_every_parameter(module, seeded_reference.random_variables(module))


@pytest.mark.parametrize("shape", [(1, 63, 64, 3), (1, 64, 64, 4), (64, 64, 3)])
def test_refuses_pictures_of_the_wrong_shape(variables, shape):
    with pytest.raises(ValueError, match="at least 64"):
        get_backbone(LITE0).build().apply(variables, np.zeros(shape, np.float32))


def test_refuses_an_unknown_endpoint(variables):
    with pytest.raises(ValueError, match="got endpoint 'stage9', expected 'head' or 'expand6' or 'multilevel'"):
        get_backbone(LITE0).build(endpoint="stage9").apply(variables, np.zeros((1, 64, 64, 3), np.float32))


def test_refuses_an_unknown_output_stride(variables):
    with pytest.raises(ValueError, match="output_stride 8, expected 16 or 32"):
        get_backbone(LITE0).build(output_stride=8).apply(variables, np.zeros((1, 64, 64, 3), np.float32))
