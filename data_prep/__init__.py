"""TFDS builders of scored pictures, one a folder, and the command that runs them: `python -m data_prep`."""
