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
    """Return the defaults adapted to hundreds to thousands of pictures: several levels of Lite2, a solved head."""
    config = default_config()
    config.data.name = "image_scores/photos"
    config.backbone.name = "efficientnet_lite2"
    config.image_size = 192
    # Early levels add colour, focus and texture, on which ratings of photographs depend.
    config.backbone.endpoint = "multilevel"
    config.head.equal_spread = True
    config.head.solver = "exact"
    # For datasets too large for a solved head, whose pairs no longer fit in memory at once.
    config.pooling_options.lena.init_share = 0.5
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 30.0
    config.optimizer.pooling_rate = 1.0
    return config
