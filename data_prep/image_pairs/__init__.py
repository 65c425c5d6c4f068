"""The dataset `image_pairs`: a folder of pictures and a table of pairs, each with what people chose."""

from data_prep import lazy_import

__all__ = ["Builder", "ImagePairsConfig"]
__getattr__ = lazy_import.from_module(__name__, "image_pairs_dataset_builder", __all__)
