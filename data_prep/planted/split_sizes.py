"""How many pictures each split of `planted` has by default."""

COUNTS = {"train": 2400, "validation": 200, "test": 400}
