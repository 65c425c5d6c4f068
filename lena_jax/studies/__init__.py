"""Studies of many runs: folds and seeds, comparisons of poolings, and tests across datasets."""
