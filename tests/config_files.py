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


def small_quickstart(data_dir):
    """Return the quickstart's config at 64 px, for 12 steps."""
    config = load_config("quickstart")
    config.data.dir = str(data_dir)
    config.image_size, config.steps, config.batch_size = 64, 12, 16
    config.log_every, config.eval_every = 5, 6
    return config
