"""The kernels in interpret mode against the portable search, and when they are chosen."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lena_jax.pooling import lena_pool, lena_weights, search
from lena_jax.pooling.kernels import gpu, tpu

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def special_cells(m, dtype):
    """Maps `[m, 3, 5]` of ordinary, tied, huge, tiny, infinite and undefined numbers."""
    rng = np.random.default_rng(m)
    cells = np.round(rng.normal(size=(m, 3, 5)), 1) * 10.0 ** rng.integers(-36, 36, (1, 3, 5))
    for value in (0.0, -0.0, 1e-40, -1e-40, np.inf, -np.inf):
        cells[rng.random(cells.shape) < 0.06] = value
    cells[0, 0] = np.nan
    cells[1 % m, 1] = -np.nan
    cells[:, 2, 0] = 1.5
    cells[:, 2, 1] = np.round(rng.normal(size=m))
    n = rng.uniform(1, m, (3, 5))
    n[:, 2], n[:, 3] = 1, m
    return jnp.asarray(cells, dtype), jnp.asarray(n, jnp.float32)


@pytest.mark.parametrize("m, dtype", [(37, jnp.float32), (75, jnp.bfloat16)])
@pytest.mark.parametrize("kernels", [tpu, gpu])
def test_keys_and_counts_are_those_of_the_portable_search(kernels, m, dtype):
    cells, n = special_cells(m, dtype)
    # Where there is a GPU, its kernel runs itself.
    interpret = kernels is tpu or jax.default_backend() != "gpu"
    p, *found = kernels.search_and_mean(cells if kernels is tpu else cells.swapaxes(0, 1), n, interpret=interpret)
    want_p, want = search.find_and_average(cells, n, None, axis=0, kernels=False)
    for got, wanted in zip(found, want, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    assert p.dtype == dtype
    largest = np.abs(np.where(np.isfinite(cells), np.asarray(cells, np.float32), 0)).max(0)
    p, want_p = np.asarray(p, np.float32), np.asarray(want_p, np.float32)
    finite = np.isfinite(want_p)
    np.testing.assert_array_equal(p[~finite], want_p[~finite])
    assert np.all(np.abs(p[finite] - want_p[finite]) <= (1e-6 if dtype == jnp.float32 else 8e-3) * largest[finite])


def test_bits_are_transposed():
    rows = np.random.default_rng(0).integers(-(2**31), 2**31, (32, 2), dtype=np.int64).astype(np.int32)
    planes = np.asarray(tpu._transposed(jnp.asarray(rows)))
    bits = (rows[:, None] >> np.arange(32)[:, None]) & 1  # [row, bit, :]
    np.testing.assert_array_equal((planes[:, None] >> np.arange(32)[:, None]) & 1, bits.transpose(1, 0, 2))


CALLS = {"tpu": "tpu_custom_call", "cuda": "__gpu$xla.gpu.triton"}
if jax.__version_info__ >= (0, 11):
    del CALLS["cuda"]  # Later versions write a GPU's program only where there is a GPU.


def _lowered(function, x, platform):
    return jax.jit(function).trace(x).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform, call", CALLS.items())
def test_they_are_chosen_by_themselves_where_they_serve(platform, call):
    x = jnp.ones((2, 6, 6, 4))
    pool = functools.partial(lena_pool, eta=0.3)
    weights = functools.partial(lena_weights, eta=0.3)
    gradient = jax.grad(lambda x: lena_pool(x, 0.3).sum())
    windows = jax.vmap(functools.partial(lena_pool, eta=0.3, window=3))
    over_all = functools.partial(lena_pool, eta=0.3, axis=(0, 1, 2, 3))
    for function in (pool, weights, gradient, windows, over_all, functools.partial(lena_pool, eta=0.3, axis=1)):
        assert call in _lowered(function, x, platform)
    for function, inputs in (
        (functools.partial(lena_pool, eta=0.3, method="portable"), x),
        (pool, x.astype(jnp.float16)),
        (lambda x: lena_pool(x, 0.3, where=x > 0), x),
        (pool, jnp.ones((1, 33, 32, 1))),
    ):
        assert call not in _lowered(function, inputs, platform)
    assert call not in _lowered(pool, x, "cpu")


@pytest.mark.parametrize("platform, call", CALLS.items())
def test_a_program_that_xla_partitions_does_without(platform, call):
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    x = jax.device_put(jnp.ones((2, 6, 6, 4)), NamedSharding(mesh, P("d")))
    pool = functools.partial(lena_pool, eta=0.3)
    assert call not in _lowered(pool, x, platform)
    assert call in _lowered(jax.shard_map(pool, mesh=mesh, in_specs=P("d"), out_specs=P("d")), x, platform)


@pytest.mark.skipif(jax.__version_info__ < (0, 11), reason="this version writes the kernel without a GPU")
def test_a_program_for_a_gpu_is_written_without_one():
    assert "triton" not in _lowered(functools.partial(lena_pool, eta=0.3), jnp.ones((2, 6, 6, 4)), "cuda")


def test_exported_programs_keep_to_what_later_versions_read():
    exported = jax.export.export(jax.jit(functools.partial(lena_pool, eta=0.3)), platforms=["cuda", "tpu", "cpu"])
    program = exported(jnp.ones((2, 6, 6, 4))).mlir_module()
    assert "tpu_custom_call" in program and "triton" not in program
