"""`maps.png`: the pictures that a ranker places highest and lowest, with the parts that raise or lower their scores."""

import numpy as np
from matplotlib.figure import Figure

from lena_jax.localization import overlays
from lena_jax.localization.maps import telling_frame


def save_map_sheet(path, pictures, scores, maps, label, most=6):
    """Draws the pictures that are predicted highest and lowest, each above its signed map.

    Red parts raise the score, blue parts lower it, on one scale for the whole sheet; the strongest 0.5 % of the
    cells share the ends of the scale. The mask of the cells that
    raised the score is outlined where the data set has one. Of a clip the frame is shown that its map says most of.

    Args:
        path: of the PNG.
        pictures: `ScoredPictures`, n of them.
        scores: [n] predicted.
        maps: [n, h, w] signed maps.
        label: what their values are.
        most: pictures a row.
    """
    order = np.argsort(-np.asarray(scores))
    most = min(most, max(1, len(order) // 2))
    chosen = [order[:most], order[-most:]]
    records = {index: pictures.record(index) for index in np.concatenate(chosen).tolist()}
    shown = {index: telling_frame(record["image"], maps[index]) for index, record in records.items()}
    scale = overlays.common_scale([signed for _, signed in shown.values()])
    figure = Figure(figsize=(1.75 * most + 0.9, 7.9), layout="constrained")
    axes = figure.subplots(4, most, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for row, (indices, name) in enumerate(zip(chosen, ("highest", "lowest"), strict=True)):
        axes[2 * row, 0].set_ylabel(f"predicted {name}")
        axes[2 * row + 1, 0].set_ylabel("raises / lowers")
        for column, index in enumerate(indices.tolist()):
            record, (picture, signed) = records[index], shown[index]
            above, below = axes[2 * row, column], axes[2 * row + 1, column]
            above.imshow(picture)
            above.set_title(f"{scores[index]:+.2f} (true {pictures.scores[index]:.2f})", fontsize=8)
            below.imshow(overlays.overlay(picture, signed, scale))
            if "mask" in record and record["mask"].any():
                below.contour(record["mask"][..., 0] > 0, levels=[0.5], colors="k", linewidths=0.8)
    figure.colorbar(overlays.colour_bar(scale), ax=axes, shrink=0.5, extend="both", label=label)
    overlays.save(figure, path)
