"""TFDS builders for scored pictures, one folder each, and the command that builds them (`python -m data_prep`)."""
