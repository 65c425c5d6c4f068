"""The siamese ranker: network, preprocessing and weights as one model, and its predictions for many pictures."""
