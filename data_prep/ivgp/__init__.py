"""The dataset `ivgp`: pictures of Google+ posts, after "Exploring Image Virality in Google Plus" (2013)."""

from data_prep import lazy_import

__all__ = ["Builder"]
__getattr__ = lazy_import.from_module(__name__, "ivgp_dataset_builder", __all__)
