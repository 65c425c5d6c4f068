"""NNX modules against the linen modules, and the programs of docs/pooling_elsewhere.md."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

from lena_jax.pooling import POOLINGS, LENAPool, decay_mask, label_pooling, make_pooling, nnx

PAGE = Path(__file__).parents[2] / "docs" / "pooling_elsewhere.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
OPTIONS = {"top_n": {"n": 3}, "weldon": {"top": 2, "bottom": 3}, "lena": {"window": (3, 2), "strides": 1}}
X = jax.random.normal(jax.random.key(0), (2, 5, 6, 4))


def test_every_pooling_has_a_module():
    assert list(nnx.MODULES) == list(POOLINGS)
    for name, module in nnx.MODULES.items():
        assert module.__name__ == POOLINGS[name].module.__name__


@pytest.mark.parametrize("name", POOLINGS)
def test_modules_start_and_pool_as_those_of_linen(name):
    linen = make_pooling(name, **OPTIONS.get(name, {}))
    variables = linen.init(jax.random.key(1), X)
    pool = nnx.MODULES[name](4, rngs=flax_nnx.Rngs(0), **OPTIONS.get(name, {}))
    jax.tree.map(np.testing.assert_array_equal, pool.variables(), variables)
    moved = jax.tree.map(lambda leaf: leaf + jnp.arange(4.0) / 4, variables)
    for same in (nnx.from_linen(linen, moved, features=4), nnx.from_linen(pool.linen, moved, features=4)):
        np.testing.assert_array_equal(same(X), linen.apply(moved, X))
        np.testing.assert_array_equal(same.weights(X), linen.apply(moved, X, method="weights"))


def test_gradients_and_labels_reach_the_parameter():
    pool = nnx.LENAPool(4)
    gradient = flax_nnx.grad(lambda pool: pool(X).sum())(pool)
    variables = pool.variables()
    want = jax.grad(lambda variables: pool.linen.apply(variables, X).sum())(variables)
    np.testing.assert_array_equal(gradient["eta"][...], want["params"]["eta"])
    model = flax_nnx.Sequential(pool, flax_nnx.Linear(4, 1, rngs=flax_nnx.Rngs(0)))
    state = flax_nnx.state(model, flax_nnx.Param)
    labels = jax.tree.leaves(label_pooling(flax_nnx.to_pure_dict(state)))
    assert sorted(labels) == ["pooling", "rest", "rest"]
    assert sorted(jax.tree.leaves(decay_mask(state))) == [False, True, True]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nnx.LENAPool(0), "features: got 0"),
        (lambda: nnx.LENAPool(4, init_count=3), r"init_count: got 3, .* init_share=\(init_count - 1\) / \(M - 1\)"),
        (lambda: nnx.LENAPool(4, init_shares=0.2), "did you mean 'init_share'"),
        (lambda: nnx.from_linen(LENAPool(), {}), r"got parameters \{\}, expected \['eta'\]"),
        (lambda: nnx.from_linen(LENAPool(), {"params": {"eta": jnp.zeros((2, 4))}}), "one number for each channel"),
        (lambda: nnx.from_linen(make_pooling("max"), {}), "features: got None"),
        (lambda: nnx.from_linen(nnx.LENAPool(4), {}), "expected a module of lena_jax.pooling"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_programs_of_the_page_run(program):
    if "import equinox" in program:
        pytest.importorskip("equinox")
    exec(compile(program, str(PAGE), "exec"), {"__name__": "page"})


def test_the_page_has_every_way_of_writing_a_model():
    for package in ("flax.linen", "nnx", "equinox", "lena_pool"):
        assert any(package in program for program in PROGRAMS)
