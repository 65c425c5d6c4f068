"""TFDS builders of datasets of scored pictures, one folder each, and the command that runs them."""
