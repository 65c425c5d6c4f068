"""Training a siamese ranker: the loop, its step, loss and optimizer, what goes into a step, and what is logged."""
