"""Read tables as people have them: what a file is, how its text is written, what its numbers mean."""
