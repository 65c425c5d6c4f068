"""The data set `uiv`: pictures and pairs of "Understanding Image Virality" (Deza and Parikh, CVPR 2015)."""

__all__ = ["Builder"]


def __getattr__(name):
    # Late: the command line, which lies in this package too, answers --help without importing TFDS.
    if name == "Builder":
        from data_prep.uiv.uiv_dataset_builder import Builder

        return Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
