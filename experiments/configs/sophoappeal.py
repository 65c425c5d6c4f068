"""Appeal of photographs: people's mean ratings of 1,023 CC0 photographs, five folds, frozen EfficientNet-Lite0.

    python -m data_prep build image_scores --images=DIR/images --csv=DIR/scores.csv --score=appeal_mos \\
        --name=sophoappeal --data_dir=data
    python experiments/train.py --config=experiments/configs/sophoappeal.py --folds=5 --workdir=runs/sophoappeal

DIR: pictures and ratings of the AVT image appeal data set (Goering and Raake, IEEE Access 2023), at 80x80 px.
The README has the measured accuracy, next to average and max pooling (--config.pooling=average).
"""

import importlib.util
import os


def get_config():
    """Returns the quickstart's config with what differs for so few pictures: more decay, larger supports."""
    # A config file is loaded by path, so its neighbour is too.
    spec = importlib.util.spec_from_file_location("quickstart", os.path.join(os.path.dirname(__file__), "quickstart.py"))
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    config = quickstart.get_config()
    config.data.name = "image_scores/sophoappeal"
    config.image_size = 160
    config.eval_every = config.steps
    config.backbone.endpoint = "head"
    config.augmentation.views = 2
    config.augmentation.crop = 1.0
    config.pooling_options.lena.init_share = 0.5
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 30.0
    config.optimizer.pooling_rate = 1.0
    return config
