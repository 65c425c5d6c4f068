"""Clips: LENA over space and time on a frozen EfficientNet-Lite0, on the embedded data set `planted_clips`.

    python -m data_prep build planted_clips --data_dir=data
    python experiments/train.py --config=experiments/configs/clips.py --workdir=runs/clips
    python experiments/evaluate.py --workdir=runs/clips

--config.clip_pooling=frame_mean takes the mean of the frames' scores instead; docs/video.md compares the two. For
videos of your own (`python -m data_prep build image_scores --frames=8 ...`) set --config.data.name, and a larger
--config.image_size: 224 is what the trunk was trained with.
"""

from lena_jax.config import default_config


def get_config():
    """Returns the defaults with small frames, of which a cache holds eight for each clip, and small batches."""
    config = default_config()
    config.data.name = "planted_clips"
    config.image_size = 112
    config.backbone.endpoint = "expand6"
    config.batch_size = 32
    config.steps = 400
    # A clip has eight times the cells of a picture, and channels that have to tell one object in one frame from all of
    # them: shares have a long way to go. See docs/video.md for what slower ones reach.
    config.optimizer.pooling_rate = 30.0
    return config
