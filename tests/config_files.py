"""Load the configs of experiments/configs as the scripts do."""

import importlib.util
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def load_config(name):
    """Load the config of `experiments/configs/NAME.py` by its path; NAME may be NAME:ARGUMENT."""
    name, _, argument = name.partition(":")
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / f"experiments/configs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(*([argument] if argument else []))
