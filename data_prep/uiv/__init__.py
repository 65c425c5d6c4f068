"""The dataset `uiv`: pictures and pairs of "Understanding Image Virality" (Deza and Parikh, CVPR 2015)."""

from data_prep import lazy_import

__all__ = ["Builder"]
__getattr__ = lazy_import.from_module(__name__, "uiv_dataset_builder", __all__)
