"""Pictures of a run: the training curve, and a sheet of pictures with the parts that raised or lowered their score."""

import numpy as np
from matplotlib.figure import Figure

from lena_jax.localization import overlays
from lena_jax.localization.maps import telling_frame
from lena_jax.run_log import read_log


def save_training_curve(path, log):
    """Draws loss and pair accuracy over steps from a `metrics.jsonl`.

    Args:
        path: of the PNG.
        log: path of the `metrics.jsonl`.
    """
    rows = read_log(log)
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    train = [row for row in rows if "loss" in row]
    loss.plot([row["step"] for row in train], [row["loss"] for row in train], color="C0")
    loss.set(xlabel="step", ylabel="pairwise logistic loss", title="training loss")
    loss.axhline(np.log(2), color="0.7", linestyle=":", label="guessing")
    loss.legend()
    accuracy.plot([row["step"] for row in train], [row["pair_accuracy"] for row in train], color="C0", alpha=0.5,
                  label="training batches")
    if held_out := [row for row in rows if "validation_pair_accuracy" in row]:
        accuracy.plot([row["step"] for row in held_out], [row["validation_pair_accuracy"] for row in held_out], "o-",
                      color="C1", label="validation")
    accuracy.set(xlabel="step", ylabel="pair accuracy", title="pairs in the right order", ylim=(0.45, 1.0))
    accuracy.legend(loc="lower right")
    overlays.save(figure, path)


def save_schedule(path, learning_rate, steps):
    """Draws the learning rate of the head over the steps.

    Args:
        path: of the PNG.
        learning_rate: Optax schedule.
        steps: of the run.
    """
    figure = Figure(figsize=(5, 3), layout="constrained")
    axis = figure.subplots()
    at = np.unique(np.linspace(0, steps - 1, min(steps, 500)).astype(int))
    axis.plot(at + 1, [float(learning_rate(step)) for step in at], color="C0")
    axis.set(xlabel="step", ylabel="learning rate of the head", title="schedule", ylim=(0, None))
    overlays.save(figure, path)


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
