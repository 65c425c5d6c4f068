"""Your own pictures with scores, the whole network fine-tuned: slower than `image_scores.py`, and better.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/finetune.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5
"""

from lena_jax.default_config import default_config


def get_config():
    """Returns the defaults with what differs for fine-tuning."""
    config = default_config()
    config.data.name = "image_scores/photos"
    config.image_size = 128
    config.batch_size = 32
    config.steps = 208
    config.eval_every = 104
    config.log_every = 8
    config.backbone.frozen = False
    config.backbone.endpoint = "head"
    config.augmentation.crop = 0.8
    config.pooling_options.lena.init_share = 0.5
    config.optimizer.learning_rate = 1e-3
    config.optimizer.backbone_rate = 0.1
    config.optimizer.pooling_rate = 10.0
    config.optimizer.weight_decay = 0.01
    return config
