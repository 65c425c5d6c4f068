"""Measure how strongly a ranking follows simple properties of pictures."""

import numpy as np
from scipy import stats

from lena_jax.metrics import group_correlation
from lena_jax.runtime.progress import counted

PROPERTIES = {
    "brightness": "mean luma (Rec. 601), 0 to 1",
    "saturation": "mean saturation of HSV, 0 to 1",
    "colourfulness": "Hasler and Süsstrunk 2003",
    "aspect_ratio": "width / height",
    "pixels": "width * height",
}
# Side above which pixels are skipped: using more of them would not change a rank.
_MOST_SIDE = 512


def properties(picture):
    """Measures the `PROPERTIES` of a picture: [H, W, 3] uint8 -> {name: float}.

    Colourfulness is `sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2)` with `rg = R - G` and
    `yb = (R + G) / 2 - B` in 0..255. Large pictures are subsampled to every k-th pixel.

    Reference: Hasler and Süsstrunk, Measuring colourfulness in natural images, 2003.
    """
    height, width = picture.shape[:2]
    every = max(1, max(height, width) // _MOST_SIDE)
    red, green, blue = np.moveaxis(picture[::every, ::every].astype(np.float64), -1, 0)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    rg, yb = red - green, (red + green) / 2 - blue
    return {
        "brightness": float((0.299 * red + 0.587 * green + 0.114 * blue).mean() / 255),
        "saturation": float(np.where(highest > 0, (highest - lowest) / np.maximum(highest, 1), 0).mean()),
        "colourfulness": float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())),
        "aspect_ratio": width / height,
        "pixels": float(width * height),
    }


def dependence(pictures, predicted):
    """Computes Spearman's rho of each property with the predicted and the true scores.

    Args:
        pictures: `ScoredPictures`, n of them. A clip is represented by its middle frame.
        predicted: [n], predicted scores.

    Returns:
        {property: {"predicted": rho, "true": rho}}, computed within groups if there are any. A rho is None if the
        property or the score is constant.
    """
    found = [
        properties(pictures.still(index)) for index in counted(range(len(pictures)), "properties of test pictures")
    ]

    def rho(values, scores):
        value = group_correlation(stats.spearmanr, values, scores, pictures.groups)
        return None if np.isnan(value) else value

    columns = {name: np.array([one[name] for one in found]) for name in PROPERTIES}
    return {
        name: {"predicted": rho(values, predicted), "true": rho(values, pictures.scores)}
        for name, values in columns.items()
    }
