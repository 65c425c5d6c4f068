"""Your own pictures with scores (hundreds to thousands of them): LENA on several levels of a frozen EfficientNet-Lite0.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/image_scores.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5

Five folds tell how well the ranking does on pictures that it was not trained on; without --folds one ranker is
trained on all pictures (or on the data set's own training split).

Set on 1,023 photographs rated for appeal (the AVT image appeal data set at 80x80 px, Goering and Raake, IEEE
Access 2023); the README has what it reaches there, next to average and max pooling.
"""

from lena_jax.config import default_config


def get_config():
    """Returns the defaults with what differs for few pictures: more decay, larger supports."""
    config = default_config()
    config.data.name = "image_scores/photos"
    config.image_size = 160
    # Looks as well as contents: 0.736 of the pairs of these photographs, the head alone 0.720.
    config.backbone.endpoint = "multilevel"
    config.augmentation.views = 2
    config.augmentation.crop = 1.0
    config.pooling_options.lena.init_share = 0.5
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 30.0
    config.optimizer.pooling_rate = 1.0
    return config
