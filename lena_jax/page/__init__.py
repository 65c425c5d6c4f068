"""The page of `lena-jax serve`: pictures in, a ranking and its reasons out, and nothing kept."""
