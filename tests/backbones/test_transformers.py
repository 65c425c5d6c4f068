"""Vision transformers and ConvNeXts of every family: timm's numbers, sizes, endpoints, types and gradients."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import transformer_reference as reference
from backbone_reference import pictures
from transformer_reference import FAMILIES

from lena_jax.backbones import BACKBONES
from lena_jax.backbones.convnext import GlobalResponseNorm
from lena_jax.backbones.layers import gelu, product
from lena_jax.backbones.tokens import patch_conv, resize_positions, rotary_factors
from lena_jax.backbones.variables import variable_shapes

pytestmark = pytest.mark.usefixtures("quickly_compiled")

ALL = [(name, size) for name, family in FAMILIES.items() for size in family.sizes]


def error(got, expected):
    assert got.shape == expected.shape
    return np.abs(got - expected).max() / np.abs(expected).max()


def few_blocks(family):
    """The family with one block, which compiles in less time."""
    few = {"repeats": (1, 0, 0, 0)} if family.is_convnext else {"depth": 1}
    return family._replace(architecture=family.architecture._replace(**few))


@pytest.mark.parametrize("name", list(FAMILIES))
def test_features_equal_the_stored_reference(name):
    # The other size is compared where timm is installed.
    size = FAMILIES[name].sizes[1]
    got = reference.features(FAMILIES[name], size)
    assert error(got[..., :: reference.CHANNEL_STEP], reference.stored(name, size)) < 1e-5


@pytest.mark.parametrize("name, size", ALL)
def test_features_equal_timm(name, size):
    pytest.importorskip("timm")
    assert error(reference.features(FAMILIES[name], size), reference.timm_features(FAMILIES[name], size)) < 1e-5


@pytest.mark.parametrize("name", ["dinov2", "convnext"])
def test_other_sizes_are_resized_and_nothing_is_cut(name):
    family = few_blocks(FAMILIES[name])
    side = 32 if family.is_convnext else 14
    x = pictures(75, 110)
    height, width = 75 // side * side, 110 // side * side
    resized = jax.image.resize(x, (1, height, width, 3), "cubic", antialias=True)
    module = family.build()
    variables = reference.variables(family)
    got = jax.jit(module.apply)(variables, x)
    assert got.shape[1:3] == (height // side, width // side)
    np.testing.assert_allclose(got, jax.jit(module.apply)(variables, resized), atol=1e-4)
    changed = x.copy()
    changed[:, -1, -1] += 3  # A pixel that cutting would lose.
    assert np.abs(jax.jit(module.apply)(variables, changed) - got).max() > 1e-4


def test_endpoints_are_parts_of_each_other():
    family, size = FAMILIES["dinov2_registers"], (70, 84)
    variables, x = reference.variables(family), pictures(*size)
    module = family.build

    @jax.jit
    def run(variables, x):
        return [module(endpoint=endpoint).apply(variables, x) for endpoint in ("norm", "multilevel", "norm_class")]

    norm, levels, token = map(np.asarray, run(variables, x))
    both = reference.features(family, size)
    np.testing.assert_allclose(levels[..., -32:], norm, atol=1e-5)
    np.testing.assert_allclose(token[..., :32], norm, atol=1e-5)
    np.testing.assert_allclose(both, np.concatenate([levels, token[..., 32:]], -1), atol=1e-5)
    assert np.ptp(token[..., 32:], (1, 2)).max() == 0 and np.ptp(token[..., :32], (1, 2)).min() > 0


def test_finer_levels_of_a_convnext_average_to_the_coarsest():
    family, size = few_blocks(FAMILIES["convnext"]), (64, 96)
    variables, x = reference.variables(family), pictures(*size)

    @jax.jit
    def run(variables, x):
        names = ("multilevel", "multilevel_8", "multilevel_4")
        return [family.build(endpoint=name).apply(variables, x) for name in names]

    coarse, *finer = map(np.asarray, run(variables, x))
    for stride, fine in zip((8, 4), finer, strict=True):
        assert fine.shape == (1, 64 // stride, 96 // stride, 80)
        k = 32 // stride
        blocks = fine.reshape(1, 2, k, 3, k, 80)
        np.testing.assert_allclose(blocks.mean((2, 4)), coarse, atol=1e-5)
        # The last level has one value in all of the cells that were one, and the first has not.
        assert np.ptp(blocks[..., 48:], (2, 4)).max() == 0 and np.ptp(blocks[..., :8], (2, 4)).min() > 0


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("siglip", {"endpoint": "norm_class"}, "got endpoint 'norm_class', expected 'norm' or 'multilevel'"),
        ("plain", {"output_stride": 32}, "got output_stride 32, expected 16"),
        ("plain", {"endpoint": "multilevel_8"}, "got endpoint 'multilevel_8', expected 'norm' or 'multilevel' or"),
        ("convnext", {"output_stride": 8}, "got output_stride 8, expected 16 or 32"),
        ("convnext", {"endpoint": "head"}, "got endpoint 'head', expected 'norm' or"),
    ],
)
def test_an_impossible_option_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(FAMILIES[name].build(**options).init, jax.random.key(0), pictures(64, 64))


@pytest.mark.parametrize("name", ["dinov3_plus", "convnextv2"])
def test_bfloat16_is_close_and_its_parameters_are_float32(name):
    family = few_blocks(FAMILIES[name])
    size = family.sizes[0]
    got = reference.features(family, size, dtype=jnp.bfloat16)
    assert got.dtype == jnp.bfloat16
    expected = reference.features(family, size)
    assert np.corrcoef(np.float32(got).ravel(), expected.ravel())[0, 1] > 0.999
    initial = jax.eval_shape(family.build(dtype=jnp.bfloat16).init, jax.random.key(0), pictures(*size))
    assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", ["plain", "dinov3_plus", "convnextv2"])
def test_gradient_reaches_every_parameter_and_remat_changes_nothing(name):
    family = few_blocks(FAMILIES[name])
    variables, x = reference.variables(family), pictures(*family.sizes[0])

    def gradient(remat):
        module = family.build(remat=remat)
        # The last norm makes the mean of a cell constant, so weigh the channels.
        weights = jnp.arange(32.0)[None, None, None]
        return jax.jit(jax.grad(lambda variables: (module.apply(variables, x) * weights).mean()))(variables)

    plain, again = gradient(False), gradient(True)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-5), plain, again)
    for path, leaf in jax.tree_util.tree_leaves_with_path(plain):
        assert np.abs(leaf).max() > 0, jax.tree_util.keystr(path)


def test_a_map_of_zeros_has_a_finite_gradient():
    norm, x = GlobalResponseNorm(), jnp.zeros((1, 2, 2, 3))
    variables = {"params": {"scale": jnp.ones(3), "bias": jnp.ones(3)}}
    gradient = jax.grad(lambda x: norm.apply(variables, x).sum())(x)
    np.testing.assert_array_equal(gradient, jnp.ones_like(x))


def test_each_block_is_computed_again_with_remat():
    family = FAMILIES["plain"]
    variables, x = reference.variables(family), pictures(64, 64)

    def checkpoints(remat):
        module = family.build(remat=remat)
        return str(jax.make_jaxpr(lambda v: module.apply(v, x))(variables)).count(" remat2[")

    assert checkpoints(False) == 0 and checkpoints(True) == family.architecture.depth


def test_patch_conv_is_a_convolution():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 8, 12, 3)), rng.normal(size=(4, 4, 3, 5))
    expected = jax.lax.conv_general_dilated(
        jnp.float32(x), jnp.float32(kernel), (4, 4), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(patch_conv(jnp.float32(x), jnp.float32(kernel)), expected, atol=1e-4)


def test_a_product_has_the_gradients_of_a_product():
    rng = np.random.default_rng(0)
    x, kernel, g = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 3, 4), (4, 5), (2, 3, 5)))
    got, expected = (jax.vjp(function, x, kernel) for function in (product, lambda x, kernel: x @ kernel))
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)
    for ours, theirs in zip(got[1](g), expected[1](g), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 1e-6), (jnp.bfloat16, 2e-2)])
def test_gelu_is_the_exact_one(dtype, tolerance):
    x = jnp.linspace(-6, 6, 101, dtype=dtype)
    assert gelu(x).dtype == dtype
    expected = [0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in np.float64(x)]
    np.testing.assert_allclose(np.float64(gelu(x)), expected, atol=tolerance, rtol=tolerance)


def test_a_position_embedding_keeps_its_class_entry_and_a_constant():
    positions = np.concatenate([np.full((1, 4), 7.0), np.full((9, 4), 3.0)]).astype(np.float32)
    got = resize_positions(positions, (3, 3), (5, 2))
    np.testing.assert_allclose(got, np.concatenate([np.full((1, 4), 7.0), np.full((10, 4), 3.0)]), rtol=1e-6)
    assert resize_positions(positions, (3, 3), (3, 3)) is positions


def test_rotary_angles_are_those_of_the_formula():
    cos, sin = rotary_factors((2, 3), 8, others=5)
    assert cos.shape == sin.shape == (11, 8)
    np.testing.assert_array_equal(cos[:5], 1)
    np.testing.assert_array_equal(sin[:5], 0)
    # Row 1 of 2 and column 0 of 3; the periods are 1 and 10.
    y, x = 2 * 1.5 / 2 - 1, 2 * 0.5 / 3 - 1
    angles = 2 * np.pi * np.array([y, y / 10, x, x / 10] * 2)
    np.testing.assert_allclose(cos[5 + 3], np.cos(angles), atol=1e-6)
    np.testing.assert_allclose(sin[5 + 3], np.sin(angles), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["clip_base", "vit_small_plus_patch16_dinov3_qkvb", "convnextv2_atto", "convnext_atto"]
)
def test_the_record_counts_the_parameters(name):
    shapes = variable_shapes(BACKBONES[name])
    assert BACKBONES[name].parameters == sum(int(np.prod(shape)) for shape in shapes.values())
