"""The paper's table on IVGP, pairs of Google+ pictures, one row at a time: `ivgp.py:TRUNK,POOLING,FUSION`.

    python -m data_prep build ivgp --config=pairs --activities=posts.jsonl --images=FOLDER --data_dir=data
    python experiments/train.py --config=experiments/configs/paper/ivgp.py:vgg16,lena --workdir=runs/ivgp_vgg16
    python experiments/evaluate.py --workdir=runs/ivgp_vgg16
    python experiments/cross_dataset.py --config=experiments/configs/paper/ivgp.py:vgg16 --data=uiv/pairs,ivgp/pairs \\
        --workdir=runs/uiv_ivgp

As `uiv.py`, which has the details, on the pictures of Guerini, Staiano and Albanese ("Exploring Image Virality in
Google Plus", SocialCom 2013), for whoever has them.

Metric: pair accuracy on the test pairs; of every row, and of UIV -> IVGP, what the literature has is not known here.
"""

from lena_jax.config import paper_config


def get_config(row="vgg16"):
    """Returns the paper's recipe on pairs of posts."""
    config = paper_config(row)
    config.data.name = "ivgp/pairs"
    return config
