"""The dataset `planted`: composed photographs, whose score is known part by part."""

from data_prep import lazy_import

__all__ = ["Builder"]
__getattr__ = lazy_import.from_module(__name__, "planted_dataset_builder", __all__)
