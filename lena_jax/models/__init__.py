"""The siamese ranker: network, preprocessing and weights as one model, and running it over many pictures."""
