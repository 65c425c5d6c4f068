"""Build a small dataset of pairs, like `uiv/pairs`, from made-up pictures."""

import io

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from data_prep.streaming import StreamingBuilder

FEATURES = {
    **{side: tfds.features.Image(shape=(None, None, 3), encoding_format="png") for side in ("left", "right")},
    **{f"{side}_id": tfds.features.Text() for side in ("left", "right")},
    **{f"{side}_score": tfds.features.Scalar(np.float32) for side in ("left", "right")},
    "label": tfds.features.Scalar(np.int32),
}


def picture(number, side=72):
    """Make the file of a noisy grey picture; the higher its number, the brighter it is."""
    noise = np.random.default_rng(number).integers(0, 40, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(noise + 5 * number, 0, 255).astype(np.uint8)).save(file, "png")
    file.seek(0)
    return file


def build(data_dir, splits, name="judged", **change):
    """Build the dataset `data_dir/name`.

    Args:
        data_dir: folder of datasets.
        splits: {split: [(number of the left picture, number of the right one, label), ...]}.
        name: name of the dataset.
        change: {feature: function (record) -> value to store instead}.
    """

    def record(left, right, label):
        record = {
            "left": picture(left),
            "right": picture(right),
            "left_id": f"p{left}",
            "right_id": f"p{right}",
            "left_score": float(left),
            "right_score": float(right),
            "label": label,
        }
        return record | {key: value(record) for key, value in change.items()}

    class Judged(StreamingBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(FEATURES))

        def _split_generators(self, dl_manager):
            return {split: enumerate(record(*pair) for pair in pairs) for split, pairs in splits.items()}

        def _generate_examples(self):
            raise NotImplementedError

    Judged.name = name
    Judged(data_dir=data_dir).download_and_prepare()


def some_pairs(first, count, seed=0):
    """Pair neighbours of `first` to `first + count - 1`. The label says which is brighter; sides are random."""
    rng = np.random.default_rng(seed)
    pairs = [rng.permutation([first + place, first + place + 1]).tolist() for place in range(count - 1)]
    return [(left, right, int(left > right)) for left, right in pairs]
