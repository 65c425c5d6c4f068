"""Every way of running JAX, for every pooling: values, weights and gradients against those of a plain `jit`.

    python tests/pooling/ways_of_running.py [POOLING ...]

runs the whole grid, (way of running) x (windows, mask) x (dtype) x (pooling), on four devices and counts what agrees.
The tests run a part of it on two.
"""

import contextlib
import os
import sys

if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from lena_jax.pooling import POOLINGS, make_pooling

SHAPE = (4, 6, 4, 6)
LARGE = (4, 16, 17, 2)  # more cells than a byte counts
WINDOWS = {"window": (2, 3), "strides": (2, 1), "padding": "SAME"}
VARIANTS = {
    "plain": (SHAPE, {}, False),
    "mask": (SHAPE, {}, True),
    "windows": (SHAPE, WINDOWS, False),
    "windows and mask": (SHAPE, WINDOWS, True),
    "272 cells": (LARGE, {}, False),
}
DTYPES = {"float32": 2e-5, "bfloat16": 4e-2, "float16": 5e-3}
OPTIONS = {"top_n": {"n": 3}, "weldon": {"top": 2, "bottom": 1}}
BATCH, CHANNELS, BOTH = P("a"), P(None, None, None, "b"), P("a", None, None, "b")
ROWS = P(None, "a")


class Case:
    """A pooling with its input; `outputs` is what a way of running must reproduce."""

    def __init__(self, pooling, variant, dtype):
        shape, windows, masked = VARIANTS[variant]
        self.tolerance = DTYPES[dtype]
        self.module = make_pooling(pooling, **windows, **OPTIONS.get(pooling, {}))
        rng = np.random.default_rng(0)
        # Multiples of 1/8 tie often; half precision holds them exactly.
        self.x = jnp.asarray(rng.integers(-24, 25, shape) / 8, dtype)
        self.where = jnp.asarray((rng.random(shape) < 0.8) | (np.arange(shape[2]) == 2)[:, None]) if masked else None
        if masked and windows:
            self.where = self.where.at[:, ::2].set(True)
        self.variables = self.module.init(jax.random.key(0), self.x)
        self.want = jax.jit(self.outputs)(self.variables, self.x, self.where)

    def outputs(self, variables, x, where):
        """Return the pooled value, the weights, and the gradients in the variables and in `x`."""

        def loss(variables, x):
            pooled = self.module.apply(variables, x, where)
            return (pooled.astype(jnp.float32) ** 2).sum(), pooled

        (_, pooled), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(variables, x)
        return pooled, self.module.apply(variables, x, where, method="weights"), *gradients

    @property
    def inputs(self):
        return self.variables, self.x, self.where

    def specs(self, spec):
        """Return where the mesh axes of `spec`, that of `x`, lie in inputs and outputs."""
        batch, *space, channels = (*spec, *(None,) * (4 - len(spec)))
        variables = jax.tree.map(lambda _: P(channels), self.variables)
        many = self.module.window is not None
        pooled = P(batch, *(space if many else ()), channels)
        weights = P(batch, space[0], None, space[1], None, channels) if many else spec
        where = None if self.where is None else spec
        return (variables, spec, where), (pooled, weights, variables, spec)


def mesh(kind):
    devices = len(jax.devices())
    return jax.make_mesh((2, devices // 2), ("a", "b"), axis_types=(kind,) * 2)


def manual(spec, check_vma=True):
    def run(case):
        in_specs, out_specs = case.specs(spec)

        def outputs(*inputs):
            pooled, weights, in_variables, in_x = case.outputs(*inputs)
            # With the check, JAX itself adds up the gradients of what all devices share.
            in_variables = in_variables if check_vma else jax.lax.psum(in_variables, "a")
            return pooled, weights, in_variables, in_x

        here = mesh(AxisType.Auto)
        mapped = jax.shard_map(outputs, mesh=here, in_specs=in_specs, out_specs=out_specs, check_vma=check_vma)
        return jax.jit(mapped)(*case.inputs)

    return run


def placed(kind, spec, is_set=True, whole_mask=False):
    def run(case):
        here = mesh(kind)
        in_specs, _ = case.specs(spec)
        if whole_mask and case.where is not None:
            in_specs = (*in_specs[:2], P())
        shardings = jax.tree.map(lambda one: NamedSharding(here, one), in_specs)
        inputs = jax.device_put(case.inputs, shardings)
        with jax.set_mesh(here) if is_set else contextlib.nullcontext():
            pooled, *rest = jax.jit(case.outputs)(*inputs)
        if kind == AxisType.Explicit and spec != ROWS:
            assert pooled.sharding.spec[0] == (spec[0] if spec else None), "sharded otherwise than the input"
        return pooled, *rest

    return run


def under(compiled=False, **flags):
    """Run with flags of JAX set, op by op or compiled anew."""

    def run(case):
        before = {name: jax.config.values[name] for name in flags}
        try:
            for name, value in flags.items():
                jax.config.update(name, value)
            outputs = jax.jit(lambda *inputs: case.outputs(*inputs)) if compiled else case.outputs
            return outputs(*case.inputs)
        finally:
            for name, value in before.items():
                jax.config.update(name, value)

    return run


def exported(dims):
    def run(case):
        if case.module.window is not None and "h" in dims:
            with np.testing.assert_raises_regex(ValueError, "^windows need axes of known size: got symbolic sizes"):
                export(case, dims)
            return case.want
        return export(case, dims).call(*case.inputs)

    return run


def export(case, dims):
    constraints = ["h*w >= 3"] if "h" in dims else []
    x = jax.export.symbolic_shape(",".join(dims), like=case.x.shape, constraints=constraints)
    variables = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(x[-1:], leaf.dtype), case.variables)
    where = None if case.where is None else jax.ShapeDtypeStruct(x, bool)
    return jax.export.export(jax.jit(case.outputs))(variables, jax.ShapeDtypeStruct(x, case.x.dtype), where)


def one_by_one(transform):
    """Run over the examples of the batch, each on its own; gradients in the variables add up."""

    def run(case):
        masks = None if case.where is None else case.where[:, None]
        pooled, weights, in_variables, in_x = transform(case)(case.x[:, None], masks)
        flat = [one.reshape(-1, *one.shape[2:]) for one in (pooled, weights, in_x)]
        return *flat[:2], jax.tree.map(lambda one: one.sum(0), in_variables), flat[2]

    return run


def over_shards(is_set):
    """Run over the examples of the batch, which a mesh of explicit axes shards, as it does the channels."""

    def transform(case):
        def run(*maps):
            here = mesh(AxisType.Explicit)
            channels, both = (NamedSharding(here, spec) for spec in (P("b"), P("a", None, None, None, "b")))
            inputs = jax.device_put((case.variables, *maps), (channels, *(both for _ in maps)))
            with jax.set_mesh(here) if is_set else contextlib.nullcontext():
                return jax.jit(jax.vmap(case.outputs, (None, 0, 0)))(*inputs)

        return run

    return one_by_one(transform)


def over_eta(case):
    """Vary the variables, and not the maps."""
    variables = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1]), case.variables)
    both = jax.jit(jax.vmap(case.outputs, (0, None, None), axis_size=2))(variables, *case.inputs[1:])
    return jax.tree.map(lambda one: one[0], both)


def without_batch(case):
    """No example: empty results, and gradients of zero in the variables."""
    where = None if case.where is None else case.where[:0]
    pooled, weights, in_variables, in_x = jax.jit(case.outputs)(case.variables, case.x[:0], where)
    for got, want in zip((pooled, weights, in_x), (*case.want[:2], case.want[3]), strict=True):
        assert got.shape == (0, *want.shape[1:])
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(in_variables))
    assert case.module.apply(case.variables, case.x[:0], where).shape == (0, *case.want[0].shape[1:])
    return case.want


WAYS = {
    "op by op": lambda case: case.outputs(*case.inputs),
    "shard_map, batch": manual(BATCH),
    "shard_map, channels": manual(CHANNELS),
    "shard_map, both": manual(BOTH),
    "shard_map without check_vma": manual(BOTH, check_vma=False),
    "explicit mesh, batch": placed(AxisType.Explicit, BATCH),
    "explicit mesh, channels": placed(AxisType.Explicit, CHANNELS),
    "explicit mesh, both": placed(AxisType.Explicit, BOTH),
    "explicit mesh, the mask whole": placed(AxisType.Explicit, BOTH, whole_mask=True),
    "explicit mesh, space": placed(AxisType.Explicit, ROWS),
    "explicit mesh that is not set": placed(AxisType.Explicit, BOTH, is_set=False),
    "automatic mesh, both": placed(AxisType.Auto, BOTH),
    "automatic mesh, space": placed(AxisType.Auto, ROWS),
    "disable_jit": under(jax_disable_jit=True),
    "debug_infs and debug_nans": under(jax_debug_infs=True, jax_debug_nans=True),
    "strict dtypes": under(compiled=True, jax_numpy_dtype_promotion="strict"),
    "optimized": under(compiled=True, jax_disable_most_optimizations=False),
    "export, batch": exported(("b", "...")),
    "export, height and width": exported(("4", "h", "w", "...")),
    "export, all": exported(("b", "h", "w", "c")),
    "vmap": one_by_one(lambda case: lambda *maps: jax.jit(jax.vmap(case.outputs, (None, 0, 0)))(case.variables, *maps)),
    "vmap, explicit mesh": over_shards(is_set=True),
    "vmap, explicit mesh that is not set": over_shards(is_set=False),
    "vmap over eta": over_eta,
    "checkpoint in a scan": one_by_one(
        lambda case: (
            lambda *maps: jax.jit(
                lambda variables, *maps: jax.lax.map(lambda one: jax.checkpoint(case.outputs)(variables, *one), maps)
            )(case.variables, *maps)
        )
    ),
    "no example": without_batch,
}


def difference(way, case):
    """Return None if the way of running reproduces the case, otherwise the largest difference, or the error."""
    try:
        got = WAYS[way](case)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    for name, ours, want in zip(("value", "weights", "gradient", "gradient in x"), got, case.want, strict=True):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(want), strict=True):
            a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
            scale = case.tolerance * max(1, np.abs(b).max(initial=0))
            if a.shape != b.shape or not np.allclose(a, b, rtol=case.tolerance, atol=scale):
                return f"{name}: {a.shape} {b.shape} {np.abs(a - b).max() if a.shape == b.shape else ''}"
    return None


def main():
    jax.config.update("jax_disable_most_optimizations", True)  # The programs are many and small.
    failed, counted, poolings = [], 0, sys.argv[1:] or list(POOLINGS)
    for pooling in poolings:
        for variant in VARIANTS:
            for dtype in DTYPES:
                case = Case(pooling, variant, dtype)
                for way in WAYS:
                    counted += 1
                    wrong = difference(way, case)
                    if wrong is not None:
                        failed.append(wrong)
                        print(f"{pooling}, {variant}, {dtype}, {way}: {wrong}", flush=True)
                jax.clear_caches()
        print(f"{pooling}: {counted} runs so far, {len(failed)} differ", flush=True)
    print(f"{len(poolings)} poolings x {len(VARIANTS)} variants x {len(DTYPES)} dtypes x {len(WAYS)} ways of running:")
    print(f"{counted} runs, {len(failed)} differ")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
