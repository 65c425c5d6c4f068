"""Train a siamese ranker: the loop, the step and its inputs, the loss, the optimizer, the log."""
