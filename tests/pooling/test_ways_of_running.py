"""A part of the grid of ways_of_running.py: every way with LENA, and every pooling on meshes and exported."""

import functools

import jax
import jax.numpy as jnp
import pytest
import ways_of_running as grid

from lena_jax.pooling import lena_pool, max_pool, max_weights

pytestmark = pytest.mark.usefixtures("quickly_compiled")
case = functools.cache(grid.Case)


# Slow, and contained in others: the whole grid has them.
LEFT_TO_THE_GRID = {
    "op by op",
    "shard_map, batch",
    "explicit mesh, batch",
    "export, batch",
    "optimized",
    "vmap, explicit mesh",
}


@pytest.mark.parametrize("way", [way for way in grid.WAYS if way not in LEFT_TO_THE_GRID])
def test_lena_runs_in_every_way(way):
    variant = {"disable_jit": "plain", "no example": "plain"}.get(
        way, "mask" if "export" in way else "windows and mask"
    )
    assert grid.difference(way, case("lena", variant, "bfloat16")) is None


@pytest.mark.parametrize(
    "pooling, way",
    [
        ("average", "shard_map, both"),
        ("average", "strict dtypes"),
        ("max", "explicit mesh, both"),
        ("max", "explicit mesh that is not set"),
        ("max", "strict dtypes"),
        ("top_n", "export, all"),
        ("gem", "explicit mesh, the mask whole"),
        ("gem", "export, all"),
        ("lse", "shard_map, both"),
        ("lse", "vmap, explicit mesh that is not set"),
        ("softmax", "explicit mesh, both"),
        ("weldon", "debug_infs and debug_nans"),
        ("weldon", "shard_map, both"),
    ],
)
def test_the_other_poolings_do_too(pooling, way):
    assert grid.difference(way, case(pooling, "mask" if "export" in way else "windows and mask", "float32")) is None


@pytest.mark.parametrize("way", ["explicit mesh, both", "explicit mesh that is not set", "export, all"])
def test_more_cells_than_a_byte_counts(way):
    assert grid.difference(way, case("lena", "272 cells", "float32")) is None


def test_a_number_of_cells_that_a_symbolic_map_may_not_have():
    with pytest.raises(ValueError, match=r"got 3 and maps of symbolic size h\*w, expected the constraint 'h\*w >= 3'"):
        shape = jax.export.symbolic_shape("2,h,w,4")
        top_n = grid.make_pooling("top_n", n=3)
        jax.export.export(jax.jit(lambda x: top_n.apply({}, x)))(jax.ShapeDtypeStruct(shape, jnp.float32))


@pytest.mark.parametrize("dtype", [jnp.float8_e4m3fn, jnp.float8_e5m2, jnp.int8])
def test_dtypes_that_cannot_be_pooled(dtype):
    with pytest.raises(ValueError, match=f"got {jnp.dtype(dtype).name}, expected float32, bfloat16 or float16"):
        lena_pool(jnp.ones((2, 2, 1), dtype), 0.5)


@pytest.mark.parametrize("transform", [jax.grad, jax.vmap])
def test_outside_of_jit_the_mesh_must_be_set(transform):
    mesh = grid.mesh(grid.AxisType.Explicit)
    x = jax.device_put(jnp.ones((4, 2, 2, 3)), grid.NamedSharding(mesh, grid.BATCH))
    run = transform(lambda x: lena_pool(x, 0.5).sum())
    with pytest.raises(ValueError, match=r"an explicit mesh that is not set.* expected jax.jit or `with jax.set_mesh"):
        run(x)
    with jax.set_mesh(mesh):
        got = run(x)
    assert got.shape == (x.shape if transform is jax.grad else (4,))


def test_the_maximum_of_computed_cells_is_among_them():
    # Compiled into one program, these products and sums may be rounded in two ways.
    a, b, c = jax.random.normal(jax.random.key(0), (3, 3, 7, 7, 16))
    weights = jax.jit(lambda a, b, c: max_weights(a * b + c))(a, b, c)
    gradient = jax.jit(lambda a, b, c: jax.grad(lambda x: max_pool(x).sum())(a * b + c))(a, b, c)
    for got in (weights, gradient):
        assert jnp.allclose(got.sum((1, 2)), jnp.ones((3, 16)))
