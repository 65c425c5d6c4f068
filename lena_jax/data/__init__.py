"""Pictures and datasets: read files, open what `data_prep` built, split it, and draw batches and pairs."""
