"""What a run writes: folder, checkpoints, percentiles, saved models; and how to open a trained model from each."""
