"""The paper's recipe on IVGP: VGG16 with LENA on pairs of Google+ pictures.

    python -m data_prep build ivgp --config=pairs --activities=posts.jsonl --images=FOLDER --data_dir=data
    python experiments/train.py --config=experiments/configs/ivgp_vgg16.py --workdir=runs/ivgp_vgg16
    python experiments/evaluate.py --workdir=runs/ivgp_vgg16

As `uiv_vgg16.py`, which has the details, on the pictures of Guerini, Staiano and Albanese ("Exploring Image Virality in
Google Plus", SocialCom 2013), for whoever has them.

Metric: pair accuracy on the test pairs; what to expect is not known here.
"""

from lena_jax.paper_config import paper_config


def get_config():
    """Returns the paper's recipe on pairs of posts."""
    config = paper_config()
    config.data.name = "ivgp/pairs"
    return config
