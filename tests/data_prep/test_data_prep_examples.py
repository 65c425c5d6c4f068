"""Every example in a docstring of `data_prep` gives what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

import data_prep

(ROOT,) = map(Path, data_prep.__path__)
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in ROOT.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted and not result.failed


def test_there_are_examples():
    assert "data_prep.virality_score" in MODULES
