"""Quickstart: LENA on the embedded dataset `planted`, with a frozen EfficientNet-Lite0. A laptop is enough.

    python -m data_prep build planted --data_dir=data
    python experiments/train.py --config=experiments/configs/quickstart.py --workdir=runs/quickstart
    python experiments/evaluate.py --workdir=runs/quickstart

`make quickstart` runs these three commands in about two minutes on 2 CPU cores.

Metric: pair accuracy 0.89 on the 400 test pictures; the best possible is about 0.95.

Set any key on the command line: --config.pooling=average.
"""

from lena_jax.config import default_config


def get_config():
    """Return the defaults with the backbone's last feature map of stride 16 (672 channels, a grid of 14x14)."""
    config = default_config()
    config.backbone.endpoint = "expand6"
    return config
