"""From a trained model to an answer: scores of new pictures, where the scores come from, files of results."""

import importlib
import warnings
from typing import Any

from lena_jax.runs.saved_model import load_model
from lena_jax.scoring.scorer import Scorer

__all__ = ["Scorer", "load_model"]


def __getattr__(name: str) -> Any:
    # Until version 0.3: saving measures first, which scoring has nothing to do with.
    if name == "save_model":
        warnings.warn("import save_model from lena_jax.evaluation.export", DeprecationWarning, stacklevel=2)
        return importlib.import_module("lena_jax.evaluation.export").save_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
