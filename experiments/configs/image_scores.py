"""Your own pictures with scores, hundreds to thousands of them: LENA on several levels of a frozen EfficientNet-Lite2.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/image_scores.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5

The head is solved on all pairs of the training pictures, with its ridge chosen by inner validation (docs/training.md).
Five folds measure how well the model ranks pictures that it was not trained on. Without --folds, one model is trained
on the dataset's training split, or on all pictures if it has no splits.

Metric: pair accuracy 0.744 and Spearman 0.676 (means of five folds) on 1,023 photographs rated for appeal (the AVT
image appeal dataset at 80x80 px, Goering and Raake, IEEE Access 2023), 0.716 and 0.612 for valence and 0.740 and 0.657
for arousal on 809 photographs of OASIS (Kurdi, Lozano and Banaji 2017). docs/does_lena_help.md compares the poolings
there, and says how the size of the pictures was chosen.

`image_scores.py:quick` and `image_scores.py:best` are the other strengths of `lena-jax train`.
"""

from lena_jax.config import own_pictures_config


def get_config(strength="default"):
    """Return the config for hundreds to thousands of one's own pictures: several levels of Lite2, a solved head."""
    config = own_pictures_config(strength)
    config.data.name = "image_scores/photos"
    return config
