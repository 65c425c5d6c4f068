"""Measuring a trained run: evaluation, comparisons of two runs, checks of maps, and export as a saved model."""
