"""Evaluate trained runs, compare two runs, check maps, and export a run as a saved model."""
