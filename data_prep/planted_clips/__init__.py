"""The dataset `planted_clips`: composed clips in which objects come and go, whose score is known part by part."""

from data_prep import lazy_import

__all__ = ["Builder"]
__getattr__ = lazy_import.from_module(__name__, "planted_clips_dataset_builder", __all__)
