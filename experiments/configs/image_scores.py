"""Your own pictures with scores, hundreds to thousands of them: LENA on several levels of a frozen EfficientNet-Lite0.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/image_scores.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5

Five folds measure how well the model ranks pictures that it was not trained on. Without --folds, one model is trained
on the dataset's training split, or on all pictures if it has no splits.

Metric: pair accuracy 0.736 (mean of five folds) on 1,023 photographs rated for appeal (the AVT image appeal dataset at
80x80 px, Goering and Raake, IEEE Access 2023). These settings were chosen on the same photographs.
docs/does_lena_help.md compares the poolings there. Training takes 6 to 8 s per fold on 2 CPU cores.
"""

from lena_jax.config import default_config


def get_config():
    """Return the defaults adapted to few pictures: more weight decay, larger supports."""
    config = default_config()
    config.data.name = "image_scores/photos"
    config.image_size = 160
    # Early levels add colour, focus and texture: pair accuracy 0.736 on these photographs, 0.720 with the head alone.
    config.backbone.endpoint = "multilevel"
    config.augmentation.views = 2
    config.augmentation.crop = 1.0
    config.pooling_options.lena.init_share = 0.5
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 30.0
    config.optimizer.pooling_rate = 1.0
    return config
