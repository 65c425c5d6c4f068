"""The data set `planted_clips`: composed clips in which objects come and go, whose score is known part by part."""

from data_prep.planted_clips.planted_clips_dataset_builder import Builder

__all__ = ["Builder"]
