"""The data set `image_scores`: a folder of pictures and a table of scores."""

from data_prep.image_scores.image_scores_dataset_builder import Builder, ImageScoresConfig

__all__ = ["Builder", "ImageScoresConfig"]
