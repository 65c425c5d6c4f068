"""The paper's table on UIV, one row at a time: `uiv.py:BACKBONE,POOLING,FUSION`, by default `vgg16,lena,none`.

    python -m data_prep build uiv --images=FOLDER --data_dir=data
    python experiments/train.py --config=experiments/configs/paper/uiv.py:vgg16,lena --workdir=runs/uiv_vgg16
    python experiments/evaluate.py --workdir=runs/uiv_vgg16
    python experiments/compare_pooling.py --config=experiments/configs/paper/uiv.py:alexnet --seeds=3 \\
        --poolings=lena,average,max,top_n:20 --fusions=none,concat,gate --workdir=runs/uiv_poolings

BACKBONE is a name in `lena_jax.backbones.BACKBONES`, such as vgg16 (up to conv5_3 with its ReLU, 14x14x512),
vgg16_caffe or alexnet (up to conv5 with its ReLU, 13x13x256). POOLING is a name in `lena_jax.pooling.POOLINGS`. FUSION
says how objectness maps are used: none, concat or gate (`python -m data_prep objectness` makes the maps).

This reproduces the training of "Viraliency: Pooling Local Virality" (Alameda-Pineda, Pilzer, Xu, Sebe, Ricci; CVPR
2017) as its supplement and solver file describe it (`lena_jax.config.paper_config` lists the numbers), with six
differences:

- LENA's eta is learned; the released training file freezes it at 0.1 (--config.optimizer.pooling_rate=0 does so).
- The support is interpolated, not rounded up (--config.pooling_options.lena.rounding=ceil).
- The weights are torchvision's, with their normalisation. Their AlexNet has one tower and no local response
  normalisation. For Caffe's VGG16 (BGR, mean subtracted): uiv.py:vgg16_caffe --config.backbone.weights=FILE.
- Half of the views are mirrored; the published recipe does not mention it (--config.augmentation.flip=False).
- A tenth of the training pairs is set aside to choose the checkpoint (--config.data.validation=0 keeps the last one).
- The objectness maps come from another network than the paper's.

Metric: pair accuracy on the 489 test pairs. Nothing was measured here; the pictures are not at hand.

| row | in the literature |
|---|---|
| people | 60.12 % (Deza and Parikh, CVPR 2015) |
| SVM on predicted attributes | 68.10 % (Deza and Parikh, CVPR 2015) |
| vgg16 or alexnet x lena, average, max, ... x none, concat, gate | not known here |

VGG16's weights (about 550 MB) come from the Hugging Face hub (pip install '.[hub]') or from a file
(--config.backbone.weights=vgg16.safetensors). Download AlexNet's yourself
(https://download.pytorch.org/models/alexnet-owt-7be5be79.pth, --config.backbone.weights=alexnet.pth). Use a GPU: on two
CPU cores one step of VGG16 takes several seconds, and the whole run more than a day.
"""

from lena_jax.config import paper_config


def get_config(row="vgg16"):
    """Return the paper's recipe on the published pairs."""
    config = paper_config(row)
    config.data.name = "uiv/pairs"
    return config
