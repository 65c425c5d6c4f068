"""Pictures and datasets: reading files, opening what `data_prep` built, splitting it, and drawing batches and pairs."""
