"""Write the results of a scored clip into a folder."""

import csv
import json
import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lena_jax.data.video import Clip
from lena_jax.localization import overlays
from lena_jax.runtime.files import write_whole
from lena_jax.scoring.clips import ClipScore, clock

_COLUMNS = 4
_SHEET_SIDE = 320
FILES = ("frames.csv", "clip.json", "timeline.png", "moments.png", "thumbnail.jpg")


def save(
    folder: str, name: str, clip: Clip, found: ClipScore, moments: np.ndarray | Sequence[int], thumbnail: np.ndarray
) -> None:
    """Writes `FILES` into a folder, which is created if missing.

    Args:
        folder: folder to write into. Files with these names are replaced.
        name: path of the video as the user gave it.
        clip: the decoded clip.
        found: its `ClipScore`.
        moments: indices of its best moments, best first.
        thumbnail: [H, W, 3] uint8.

    Raises:
        OSError: the files cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    added = found.frame_contributions
    rows = [
        {"time": round(float(time), 6), "score": float(score)}
        | ({} if added is None else {"added": float(added[number])})
        for number, (time, score) in enumerate(zip(clip.times, found.frame_scores, strict=True))
    ]
    # A file name may contain bytes that are not text.
    summary = {
        "video": os.fsencode(name).decode("utf-8", "backslashreplace"),
        "duration": clip.duration,
        "score": found.score,
        "frame_mean": found.frame_mean,
        "thumbnail": rows[moments[0]]["time"],
        "moments": [rows[moment]["time"] for moment in moments],
        "frames": rows,
    }
    write_whole(os.path.join(folder, "frames.csv"), lambda file: _table(file, rows))
    write_whole(os.path.join(folder, "clip.json"), lambda file: json.dump(summary, file, indent=1, allow_nan=False))
    save_timeline(os.path.join(folder, "timeline.png"), clip, found, moments)
    save_moments(os.path.join(folder, "moments.png"), clip, found, moments)
    write_whole(
        os.path.join(folder, "thumbnail.jpg"),
        lambda file: Image.fromarray(thumbnail).save(file, "JPEG", quality=92),
        "wb",
    )


def _table(file, rows):
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)


def save_timeline(path: str, clip: Clip, found: ClipScore, moments: np.ndarray | Sequence[int]) -> None:
    """Draws the scores of the frames over time and, below, what each frame adds to the score of the clip.

    Args:
        path: path of the PNG.
        clip: the decoded clip.
        found: its `ClipScore`.
        moments: indices of its best moments, best first.
    """
    added = found.frame_contributions
    figure = Figure(figsize=(9, 3.2 if added is None else 5.2), layout="constrained")
    axes = figure.subplots(1 if added is None else 2, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].plot(clip.times, found.frame_scores, ".-", color="C0", markersize=3, label="frame, as a still")
    axes[0].axhline(found.frame_mean, color="C0", linestyle=":", label=f"mean of the frames, {found.frame_mean:+.2f}")
    axes[0].axhline(found.score, color="C1", label=f"clip, {found.score:+.2f}")
    axes[0].plot(
        clip.times[moments], found.frame_scores[moments], "o", color="C3", markerfacecolor="none", label="best moments"
    )
    axes[0].plot(clip.times[moments[0]], found.frame_scores[moments[0]], "o", color="C3", label="thumbnail")
    axes[0].set_ylabel("score")
    # Outside the axes: curves may pass through every corner.
    axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    if added is not None:
        ends = np.append(clip.times[1:], clip.duration)
        axes[1].bar(
            clip.times,
            added,
            width=np.maximum(ends - clip.times, 0) * 0.9,
            align="edge",
            color=np.where(added < 0, "C0", "C3"),
        )
        axes[1].axhline(0, color="0.4", linewidth=0.8)
        axes[1].set_ylabel("added to the clip's score")
    axes[-1].set_xlabel("time (s)")
    axes[-1].set_xlim(0, max(clip.duration, 1e-3))
    overlays.save(figure, path)


def save_moments(path: str, clip: Clip, found: ClipScore, moments: np.ndarray | Sequence[int]) -> None:
    """Draws the best moments side by side, best first, each with its time and score.

    Args:
        path, clip, found, moments: see `save_timeline`.
    """
    columns = min(_COLUMNS, len(moments))
    rows = -(-len(moments) // columns)
    height, width = clip.frames.shape[1:3]
    figure = Figure(figsize=(2.6 * columns, (2.6 * min(2.0, height / width) + 0.4) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis in axes:
        axis.set_axis_off()
    for axis, moment in zip(figure.axes, moments, strict=False):
        picture = Image.fromarray(clip.frames[moment])
        picture.thumbnail((_SHEET_SIDE, _SHEET_SIDE))
        axis.imshow(picture)
        axis.set_title(f"{clock(clip.times[moment])}  {found.frame_scores[moment]:+.2f}", fontsize=8)
    overlays.save(figure, path)
