"""The data set `ivgp`: pictures of Google+ posts, after "Exploring Image Virality in Google Plus" (2013)."""

__all__ = ["Builder"]


def __getattr__(name):
    # Late: the command line, which lies in this package too, answers --help without importing TFDS.
    if name == "Builder":
        from data_prep.ivgp.ivgp_dataset_builder import Builder

        return Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
