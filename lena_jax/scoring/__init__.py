"""Use a trained model: score new pictures, explain the scores, write files of results."""

import importlib
import warnings
from typing import Any

from lena_jax.runs.saved_model import load_model
from lena_jax.scoring.scorer import Scorer

__all__ = ["Scorer", "load_model"]


def __getattr__(name: str) -> Any:
    # Old import path, kept until version 0.3.
    if name == "save_model":
        warnings.warn("import save_model from lena_jax.evaluation.export", DeprecationWarning, stacklevel=2)
        return importlib.import_module("lena_jax.evaluation.export").save_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
