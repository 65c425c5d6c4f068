"""Kernels in Pallas that find supports and average them in one reading of the maps, for TPUs and GPUs."""
