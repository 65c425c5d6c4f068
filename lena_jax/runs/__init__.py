"""What a run leaves: its folder, checkpoints and percentiles, and trained models opened from wherever they are."""
