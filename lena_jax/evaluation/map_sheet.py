"""Draw `maps.png`: the pictures with the highest and lowest predicted scores, and their maps."""

import numpy as np
from matplotlib.figure import Figure

from lena_jax.localization import overlays
from lena_jax.localization.maps import telling_frame


def save_map_sheet(path, pictures, scores, maps, label, most=6, resize="squash"):
    """Draws the pictures with the highest and lowest predicted scores, each above its signed map.

    Red regions raise the score, blue regions lower it, on one scale for the whole sheet. The strongest 0.5 % of the
    values share the ends of the scale. If the dataset has masks of the objects that determine the score, they are
    outlined. A clip is shown by the frame whose map is strongest.

    Args:
        path: path of the PNG.
        pictures: `ScoredPictures`, n of them.
        scores: [n], predicted scores.
        maps: [n, h, w], signed maps.
        label: meaning of the map values, for the colour bar.
        most: maximum number of pictures per row.
        resize: how pictures became the squares that the network saw, see `localization.on_picture`.
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
            below.imshow(overlays.overlay(picture, signed, scale, resize=resize))
            if "mask" in record and record["mask"].any():
                below.contour(record["mask"][..., 0] > 0, levels=[0.5], colors="k", linewidths=0.8)
    figure.colorbar(overlays.colour_bar(scale), ax=axes, shrink=0.5, extend="both", label=label)
    overlays.save(figure, path)
