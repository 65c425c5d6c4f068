"""The paper's recipe on UIV with AlexNet up to conv5 with its ReLU (13x13x256).

    python experiments/train.py --config=experiments/configs/uiv_alexnet.py \\
        --config.backbone.weights=alexnet.pth --workdir=runs/uiv_alexnet

As `uiv_vgg16.py`, which has the details, with a smaller trunk. It is torchvision's AlexNet (one tower, no local
response normalisation), not Caffe's; its weights are fetched by hand:
https://download.pytorch.org/models/alexnet-owt-7be5be79.pth

Metric: pair accuracy on the 489 test pairs; what to expect is not known here.
"""

from lena_jax.paper_config import paper_config


def get_config():
    """Returns the paper's recipe with AlexNet."""
    config = paper_config()
    config.data.name = "uiv/pairs"
    config.backbone.name = "alexnet"
    return config
