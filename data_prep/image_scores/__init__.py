"""The data set `image_scores`: a folder of pictures and a table of scores."""

__all__ = ["Builder", "ImageScoresConfig"]


def __getattr__(name):
    # Late: the command line, which lies in this package too, answers --help without importing TFDS.
    if name in __all__:
        from data_prep.image_scores import image_scores_dataset_builder

        return getattr(image_scores_dataset_builder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
