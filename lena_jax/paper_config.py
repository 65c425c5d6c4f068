"""The paper's recipe as a config, whatever its trunk and data set."""

from lena_jax.backbones import BACKBONES
from lena_jax.default_config import default_config
from lena_jax.pooling import POOLINGS
from lena_jax.siamese import FUSIONS


def paper_config(row="vgg16"):
    """Returns one row of the paper's table: "TRUNK,POOLING,FUSION", what is left out being "vgg16,lena,none".

    All rows train as the supplement and solver file of "Viraliency: Pooling Local Virality" describe it: the whole
    network from ImageNet's weights, SGD with momentum 0.9, rate 1e-4, times 0.1 every 5,000 of 10,000 iterations,
    weight decay 0.05, biases at twice the rate and without decay, 8 pairs a batch, 224 px, the inner product from
    N(0, 0.01), LENA's share at 0.1 to start with. Locked, like `default_config`.

    Raises:
        ValueError: for a trunk, pooling or fusion that there is not.

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
    config.backbone.name, config.pooling, config.fusion = [*names, *("vgg16", "lena", "none")[len(names):]]
    for what, name, known in (("trunk", config.backbone.name, BACKBONES), ("pooling", config.pooling, POOLINGS),
                              ("fusion", config.fusion, FUSIONS)):
        if name not in known:
            raise ValueError(f"got {what} {name!r} in {row!r}, expected one of {', '.join(known)}")
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
