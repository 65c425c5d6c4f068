"""How many clips each split of `planted_clips` has by default."""

COUNTS = {"train": 800, "validation": 100, "test": 200}
