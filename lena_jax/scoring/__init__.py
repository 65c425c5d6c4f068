"""From a checkpoint to an answer: scores of new pictures, why they have them, and models to pass on."""

from lena_jax.scoring.saved_model import load_model, save_model
from lena_jax.scoring.scorer import Scorer

__all__ = ["Scorer", "load_model", "save_model"]
