"""One record per pooling: what configs, studies and docs say of a pooling is what its record says."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lena_jax import pooling
from lena_jax.config import default_config
from lena_jax.pooling import POOLINGS, AveragePool, PoolingRecord, make_pooling
from lena_jax.pooling.registry import option_names
from lena_jax.pooling.table import poolings_table
from lena_jax.studies.poolings import parse_pooling

DOCS = Path(__file__).parents[2] / "docs/pooling.md"
X = jax.random.normal(jax.random.key(0), (2, 5, 6, 4))
# Stored in every run's config, in optimizers and in saved models: changing one breaks runs that exist.
OPTIONS = {
    "lena": {"init_share": 0.1, "parameterization": "sigmoid", "rounding": "interpolate"},
    "average": {},
    "max": {},
    "top_n": {"n": 20.0},
    "gem": {"init_power": 3.0},
    "lse": {"init_sharpness": 5.0},
    "softmax": {"init_sharpness": 1.0},
    "weldon": {"top": 5.0, "bottom": 5.0, "alpha": 1.0},
}
PARAMETERS = {"lena": "eta", "gem": "gem_log_power", "lse": "lse_log_sharpness", "softmax": "softmax_sharpness"}
MAIN_OPTIONS = {
    "lena": "init_share",
    "top_n": "n",
    "gem": "init_power",
    "lse": "init_sharpness",
    "softmax": "init_sharpness",
}


def test_what_runs_and_studies_depend_on_is_unchanged():
    assert {name: record.options for name, record in POOLINGS.items()} == OPTIONS
    assert {name: record.parameter for name, record in POOLINGS.items() if record.parameter} == PARAMETERS
    assert {name: record.main_option for name, record in POOLINGS.items() if record.main_option} == MAIN_OPTIONS
    config = default_config()
    assert config.pooling_options.to_dict() == OPTIONS
    # A config's options are its own.
    config.pooling_options.lena.init_share = 0.9
    assert POOLINGS["lena"].options["init_share"] == 0.1


@pytest.mark.parametrize("name", POOLINGS)
def test_a_record_is_consistent(name):
    record = POOLINGS[name]
    assert record.name == name
    assert (record.pool, record.weights) == (getattr(pooling, f"{name}_pool"), getattr(pooling, f"{name}_weights"))
    assert getattr(pooling, record.module.__name__) is record.module
    module = make_pooling(name, **record.options)
    assert type(module) is record.module
    assert set(record.options) <= set(option_names(record.module))
    if record.main_option is None:
        with pytest.raises(ValueError, match=f"expected '{name}' alone: only lena, top_n, gem, lse, softmax take"):
            parse_pooling(f"{name}:3")
    else:
        assert parse_pooling(f"{name}:3") == (name, {record.main_option: 3.0})
        assert record.main_option in record.options


@pytest.mark.parametrize("name, value", [("lena", 0.3), ("gem", 3.0), ("lse", 5.0), ("softmax", 1.0), ("top_n", 4)])
def test_the_functions_of_a_record_are_those_that_its_module_calls(name, value):
    record = POOLINGS[name]
    module = make_pooling(name, **{record.main_option: value})
    variables = module.init(jax.random.key(1), X)
    np.testing.assert_allclose(record.pool(X, value), module.apply(variables, X), rtol=1e-5, atol=1e-6)
    weights = module.apply(variables, X, method="weights")
    np.testing.assert_allclose(record.weights(X, value), weights, rtol=1e-5, atol=1e-6)


def test_a_record_is_all_that_a_new_pooling_needs(monkeypatch):
    class ShiftedPool(AveragePool):
        shift: float = 1.0

        def __call__(self, x, where=None):
            return super().__call__(x, where) + self.shift

    record = PoolingRecord(
        name="shifted",
        title="shifted average",
        module=ShiftedPool,
        pool=pooling.average_pool,
        weights=pooling.average_weights,
        value="mean + `shift`",
        parameter="shift_parameter",
        main_option="shift",
        options={"shift": 2.0},
    )
    monkeypatch.setitem(POOLINGS, "shifted", record)
    assert default_config().pooling_options.shifted.shift == 2.0
    name, options = parse_pooling("shifted:3")
    np.testing.assert_allclose(make_pooling(name, **options).apply({}, X), X.mean((1, 2)) + 3, rtol=1e-5)
    assert pooling.decay_mask({"shift_parameter": 0.0, "kernel": 0.0}) == {"shift_parameter": False, "kernel": True}
    row = "| `shifted` | shifted average | mean + `shift` | `shift_parameter` | `shift`* | yes | yes |"
    assert poolings_table().endswith(row)


def test_the_table_in_the_docs_is_that_of_the_records():
    assert poolings_table() in DOCS.read_text(encoding="utf-8"), "run: python -m lena_jax.pooling.table"


@pytest.mark.parametrize("name", [name for name in pooling.__all__ if name != "POOLINGS"])
def test_everything_public_has_an_example(name):
    public = getattr(pooling, name)
    assert ">>> from lena_jax.pooling import" in inspect.getdoc(public) and name in inspect.getdoc(public)


def test_poolings_are_iterated_by_name():
    assert list(POOLINGS) == ["lena", "average", "max", "top_n", "gem", "lse", "softmax", "weldon"]
    assert jnp.all(POOLINGS["max"].pool(X) == X.max((1, 2)))
