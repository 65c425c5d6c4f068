"""The paper's table on IVGP, pairs of Google+ pictures, one row at a time: `ivgp.py:BACKBONE,POOLING,FUSION`.

    python -m data_prep build ivgp --config=pairs --activities=posts.jsonl --images=FOLDER --data_dir=data
    python experiments/train.py --config=experiments/configs/paper/ivgp.py:vgg16,lena --workdir=runs/ivgp_vgg16
    python experiments/evaluate.py --workdir=runs/ivgp_vgg16
    python experiments/cross_dataset.py --config=experiments/configs/paper/ivgp.py:vgg16 --data=uiv/pairs,ivgp/pairs \\
        --workdir=runs/uiv_ivgp

The recipe is that of `uiv.py`, which has the details. The pictures are those of Guerini, Staiano and Albanese
("Exploring Image Virality in Google Plus", SocialCom 2013); you need your own copy.

Metric: pair accuracy on the test pairs. The published numbers, of each row and of UIV -> IVGP, are not known here, and
nothing was measured.
"""

from lena_jax.config import paper_config


def get_config(row="vgg16"):
    """Return the paper's recipe on pairs of posts."""
    config = paper_config(row)
    config.data.name = "ivgp/pairs"
    return config
