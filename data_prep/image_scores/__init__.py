"""The dataset `image_scores`: a folder of pictures and a table of scores."""

from data_prep import lazy_import

__all__ = ["Builder", "ImageScoresConfig"]
__getattr__ = lazy_import.from_module(__name__, "image_scores_dataset_builder", __all__)
