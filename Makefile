# `make quickstart`: from nothing to a trained ranker and its maps. `make test`: the tests. Both make .venv first.

PYTHON ?= python3
VENV ?= .venv
# The exact versions that the tests ran with; CONSTRAINTS= takes the newest that setup.cfg allows.
CONSTRAINTS ?= constraints.txt
DATA ?= data
RUN ?= runs/quickstart

BIN = $(VENV)/bin
INSTALL = $(BIN)/pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: quickstart test test-torch lint clean

quickstart: $(VENV)/installed
	$(BIN)/python -m data_prep build planted --data_dir=$(DATA)
	$(BIN)/python experiments/train.py --config=experiments/configs/quickstart.py --workdir=$(RUN) --config.data.dir=$(DATA)
	$(BIN)/python experiments/evaluate.py --workdir=$(RUN)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Compares the trunks with their PyTorch implementations; downloads PyTorch.
test-torch: $(VENV)/installed-test $(VENV)/installed-torch
	$(BIN)/python -m pytest tests/backbones

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

$(VENV)/installed: setup.cfg pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, %s found: make PYTHON=python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(INSTALL) --editable '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
