"""Your own pictures with scores: fine-tune the last stages of the backbone, which `image_scores.py` keeps frozen.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/finetune.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5

The early stages keep ImageNet's weights (--config.backbone.train_from= trains them too, at a third of the speed). Each
pair is weighted by the difference of its scores, and an EMA of the parameters is evaluated. For more pictures, raise
--config.steps and --config.optimizer.backbone_rate: 104 steps of 32 pictures are four epochs of 818, and eight epochs
overfitted these few.

Metric: pair accuracy 0.733 (mean of five folds) on 1,023 photographs rated for appeal (the AVT image appeal dataset at
80x80 px, Goering and Raake, IEEE Access 2023), no better than the frozen backbone. The settings were chosen on other
folds of the same photographs (`fold_seed=7`). Training takes 73 to 87 s per fold on 2 CPU cores. See
docs/does_lena_help.md.
"""

from lena_jax.config import default_config


def get_config():
    """Return the defaults adapted to fine-tuning on few pictures."""
    config = default_config()
    config.data.name = "image_scores/photos"
    config.image_size = 160
    config.batch_size = 32
    config.steps = 104
    config.eval_every = 52
    config.log_every = 8
    config.average_decay = 0.97
    config.backbone.endpoint = "multilevel"
    config.backbone.frozen = False
    config.backbone.train_from = "stage4"
    config.pairs.weighting = "gap"
    # head.equal_spread stays off: over five folds it costs more on valence and appeal than it brings on arousal, see
    # docs/does_lena_help.md.
    # Few pictures and a grid of 5x5 cells: small supports overfit, so they start large.
    config.pooling_options.lena.init_share = 0.9
    # The head needs strong weight decay; the backbone needs almost none, and a low learning rate.
    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 10.0
    config.optimizer.backbone_rate = 0.01
    config.optimizer.backbone_decay = 1e-3
    config.optimizer.pooling_rate = 1.0
    return config
