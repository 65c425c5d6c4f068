"""Your own pictures with scores, the last stages of the network fine-tuned, where `image_scores.py` keeps it frozen.

    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/finetune.py \\
        --config.data.name=image_scores/photos --workdir=runs/photos --folds=5

For a thousand pictures a fold takes minutes on two CPU cores. The early stages keep ImageNet's weights
(--config.backbone.train_from= trains them too, at a third of the speed); pairs weigh their difference in score, and
a moving average of the parameters is what is evaluated. For more pictures raise --config.steps and
--config.optimizer.backbone_rate: 104 steps of 32 pictures are four rounds of 818, and eight rounds overfitted these
few.

Set on folds with `fold_seed=7` of 1,023 photographs rated for appeal (the AVT image appeal data set at 80x80 px,
Goering and Raake, IEEE Access 2023); the README has what it reaches there on other folds, next to the frozen network.
"""

from lena_jax.config import default_config


def get_config():
    """Returns the defaults with what differs for fine-tuning on few pictures."""
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
    # Few pictures and a grid of 5x5 cells: small supports overfit, so they start large.
    config.pooling_options.lena.init_share = 0.9
    # The head needs as much decay as on a frozen trunk; the trunk hardly any, and small steps.
    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 10.0
    config.optimizer.backbone_rate = 0.01
    config.optimizer.backbone_decay = 1e-3
    config.optimizer.pooling_rate = 1.0
    return config
