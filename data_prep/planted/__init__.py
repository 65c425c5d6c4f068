"""The data set `planted`: composed photographs whose score is known part by part."""

from data_prep.planted.planted_dataset_builder import Builder

__all__ = ["Builder"]
