"""The paper's recipe on UIV: VGG16 up to conv5_3 with its ReLU (14x14x512), LENA, one inner product, siamese pairs.

    python -m data_prep build uiv --images=FOLDER --data_dir=data
    python experiments/train.py --config=experiments/configs/uiv_vgg16.py --workdir=runs/uiv_vgg16
    python experiments/evaluate.py --workdir=runs/uiv_vgg16

Reproduces the training of "Viraliency: Pooling Local Virality" (Alameda-Pineda, Pilzer, Xu, Sebe, Ricci; CVPR 2017) as
its supplement and solver file describe it (`lena_jax.paper_config` lists the numbers), and differs in five things:

- LENA's eta is learned; the released training file freezes it at 0.1 (--config.optimizer.pooling_rate=0 does so).
- Its support is interpolated, not rounded up (--config.pooling_options.lena.rounding=ceil).
- The weights are torchvision's, with their normalisation. For Caffe's (BGR, mean subtracted):
  --config.backbone.name=vgg16_caffe --config.backbone.weights=FILE.
- Half of the views are mirrored, which the published recipe does not say (--config.augmentation.flip=False).
- A tenth of the training pairs is set aside to choose the checkpoint (--config.data.validation=0: the last one).

Metric: pair accuracy on the 489 test pairs. What to expect is not known here; 68.10 % is the number of Deza and Parikh
(CVPR 2015, an SVM on predicted attributes), 60.12 % that of people. The weights (about 550 MB) come from the Hugging
Face hub (pip install '.[hub]') or from a file (--config.backbone.weights=vgg16.safetensors). For a GPU: on two CPU
cores a step takes several seconds, all of them more than a day.
"""

from lena_jax.paper_config import paper_config


def get_config():
    """Returns the paper's recipe on the published pairs."""
    config = paper_config()
    config.data.name = "uiv/pairs"
    return config
