"""What is known of a scored clip, as a folder of files."""

import csv
import json
import os

from PIL import Image

from lena_jax.files import write_whole
from lena_jax.video import drawing

FILES = ("frames.csv", "clip.json", "timeline.png", "moments.png", "thumbnail.jpg")


def save(folder, name, clip, found, moments, thumbnail):
    """Writes `FILES` into a folder, which is made where it is absent.

    Args:
        folder: to write into; files of these names are replaced.
        name: of the video, as it was asked for.
        clip: `reading.Clip`.
        found: its `ClipScore`.
        moments: indices of its best moments, the best first.
        thumbnail: [H, W, 3] uint8.

    Raises:
        OSError: it cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    added = found.frame_contributions
    rows = [{"time": round(float(time), 6), "score": float(score)} | (
                {} if added is None else {"added": float(added[number])})
            for number, (time, score) in enumerate(zip(clip.times, found.frame_scores, strict=True))]
    # A file name may have bytes that are no text.
    summary = {"video": os.fsencode(name).decode("utf-8", "backslashreplace"), "duration": clip.duration,
               "score": found.score, "frame_mean": found.frame_mean, "thumbnail": rows[moments[0]]["time"],
               "moments": [rows[moment]["time"] for moment in moments], "frames": rows}
    write_whole(os.path.join(folder, "frames.csv"), lambda file: _table(file, rows))
    write_whole(os.path.join(folder, "clip.json"), lambda file: json.dump(summary, file, indent=1, allow_nan=False))
    drawing.save_timeline(os.path.join(folder, "timeline.png"), clip, found, moments)
    drawing.save_moments(os.path.join(folder, "moments.png"), clip, found, moments)
    write_whole(os.path.join(folder, "thumbnail.jpg"),
                lambda file: Image.fromarray(thumbnail).save(file, "JPEG", quality=92), "wb")


def _table(file, rows):
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
