"""Clips: LENA over space and time on a frozen EfficientNet-Lite0, on the embedded dataset `planted_clips`.

    python -m data_prep build planted_clips --data_dir=data
    python experiments/train.py --config=experiments/configs/clips.py --workdir=runs/clips
    python experiments/evaluate.py --workdir=runs/clips

--config.clip_pooling=frame_mean scores a clip by the mean of its frames' scores instead; docs/video.md compares the
two. For your own videos (`python -m data_prep build image_scores --frames=8 ...`), set --config.data.name and a larger
--config.image_size; the backbone was pretrained at 224.

Metric: pair accuracy 0.804 (mean of four seeds) on the 200 test clips.
"""

from lena_jax.config import default_config


def get_config():
    """Return the defaults with small frames, because the cache holds eight per clip, and small batches."""
    config = default_config()
    config.data.name = "planted_clips"
    config.image_size = 112
    config.backbone.endpoint = "expand6"
    config.batch_size = 32
    config.steps = 400
    # A clip has eight times the cells of a picture, and an object may fill one frame or all eight: shares have far to
    # move. docs/video.md has the results of lower rates.
    config.optimizer.pooling_rate = 30.0
    return config
