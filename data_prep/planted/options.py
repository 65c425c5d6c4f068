"""The designs of `planted`, and how many pictures each split has by default."""

DESIGNS = ("sum", "spot", "whole", "mixed")
COUNTS = {"train": 2400, "validation": 200, "test": 400}
