"""Your own pictures with scores, a GPU, and the Hugging Face hub within reach: LENA on all levels of a frozen DINOv2.

    pip install '.[gpu,hub]'
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --name=photos
    python experiments/train.py --config=experiments/configs/strong.py \\
        --config.data.name=image_scores/photos --workdir=runs/strong --folds=5

`--config.backbone.name=siglip2_base` takes SigLIP 2 instead (196 cells instead of 256 at 224 px), `dinov2_small` a
network of a quarter of the size. `python -m lena_jax.backbones list` shows the others. Offline, name a file:
`--config.backbone.weights=model.safetensors`.

Expected, computed and not measured: the download is 346 MB, once. The forward pass takes 47 GFLOP for each picture,
once for all folds; an H200 did 9,200 pictures/s of the ViT-B/16, which takes three quarters of that, so that decoding
takes longer. The feature cache takes 1.6 MB for each picture (256 cells x 3,072 channels in float16), 1.6 GB for 1,000;
its size is printed before it is made. The sorted maps of the solved head take 3.1 MB of memory for each training
picture, 3.1 GB for 1,000.
`lena-jax train photos/ --strength=best` is this in one command, in float32.

Metric: accuracy not measured here, because the weights could not be fetched where this was written. The settings
are those of `image_scores.py`, which were chosen for another backbone.
"""

from lena_jax.config import own_pictures_config


def get_config():
    """Return the strongest config for one's own pictures, with the backbone in bfloat16."""
    config = own_pictures_config("best")
    config.data.name = "image_scores/photos"
    config.dtype = "bfloat16"
    return config
