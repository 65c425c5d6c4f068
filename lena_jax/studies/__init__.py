"""Many runs together: folds and seeds, comparisons of poolings, and training on one dataset to test on another."""
