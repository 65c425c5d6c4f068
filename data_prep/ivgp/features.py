"""The features of a record of `ivgp`."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds


def of_images() -> dict[str, Any]:
    """Return the features of one post's picture."""
    return {
        "image": tfds.features.Image(shape=(None, None, 3), doc="upright RGB"),
        "id": tfds.features.Text(doc="of the post"),
        "score": tfds.features.Scalar(np.float32, doc="plus-ones / mean * log((reshares + 1) / mean)"),
        "group": tfds.features.Text(doc="only posts of one group are comparable: author, start of the window of time"),
        "unit": tfds.features.Text(doc="the author, who is on one side of every split; or empty"),
        "content": tfds.features.Text(doc="hash of the picture's pixels"),
        "plusoners": tfds.features.Scalar(np.int32),
        "replies": tfds.features.Scalar(np.int32),
        "resharers": tfds.features.Scalar(np.int32),
        "published": tfds.features.Scalar(np.int64, doc="seconds since 1970 (UTC), -1 if unknown"),
    }


def of_pairs() -> dict[str, Any]:
    """Return the features of two compared pictures."""
    return {
        "left": tfds.features.Image(shape=(None, None, 3), doc="upright RGB"),
        "right": tfds.features.Image(shape=(None, None, 3)),
        "label": tfds.features.Scalar(np.int32, doc="1: the left one is the more viral, 0: the right one"),
        **{
            f"{side}_{name}": feature
            for side in ("left", "right")
            for name, feature in (
                ("id", tfds.features.Text(doc="of the post")),
                ("score", tfds.features.Scalar(np.float32, doc="virality score")),
                ("author", tfds.features.Text()),
            )
        },
        "group": tfds.features.Text(doc="of both posts"),
    }
