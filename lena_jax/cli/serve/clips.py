"""The result of a video on the page: its scores over time, its best moments and its thumbnail."""

import importlib.util
import os
import tempfile

from lena_jax.cli.serve.results import jpeg_url
from lena_jax.cli.video import MOST_FRAMES, MOST_MOMENTS, RATE
from lena_jax.runtime.pages import data_url
from lena_jax.runtime.templates import render

# Longest sides in pixels.
_MOMENT, _THUMBNAIL = 320, 1280


def available(scorer):
    """Whether videos can be scored: PyAV is installed and the model needs no objectness maps."""
    return importlib.util.find_spec("av") is not None and scorer.model.fusion == "none"


def judge(scorer, path, name, folder):
    """Scores one video.

    Args:
        scorer: `Scorer`.
        path: path of the file.
        name: name to display.
        folder: folder for the temporary drawing.

    Returns:
        (HTML, None), or (None, why the video cannot be used).
    """
    from lena_jax.data.video import BadVideo, read_clip, read_frame
    from lena_jax.scoring.clip_files import save_timeline
    from lena_jax.scoring.clips import ClipScorer, best_moments, clock
    from lena_jax.scoring.results import NoScore

    try:
        clip = read_clip(path, MOST_FRAMES, RATE)
        found = ClipScorer(scorer).score(clip.frames)
        moments = best_moments(found.frame_scores, MOST_MOMENTS)
        thumbnail = read_frame(path, clip.times[moments[0]])
    except BadVideo as error:
        return None, str(error)
    except NoScore:
        return None, "the model gives it no finite score"
    except MemoryError:
        return None, "too large for the available memory"
    with tempfile.TemporaryDirectory(dir=folder) as drawn:
        path = os.path.join(drawn, "timeline.png")
        save_timeline(path, clip, found, moments)
        with open(path, "rb") as file:
            timeline = data_url(file.read(), "image/png")
    shown = render(
        __package__,
        "clip.html.j2",
        name=name,
        said=(
            f"Score of the clip {found.score:+.2f}; mean of its {len(clip.frames):,} frames, each as a still, "
            f"{found.frame_mean:+.2f}; {clock(clip.duration)} long."
        ),
        timeline=timeline,
        moments=[
            {
                "picture": jpeg_url(clip.frames[moment], _MOMENT),
                "seconds": f"{clip.times[moment]:.1f}",
                "clock": clock(clip.times[moment]),
                "score": f"{found.frame_scores[moment]:+.2f}",
            }
            for moment in moments.tolist()
        ],
        thumbnail=jpeg_url(thumbnail, _THUMBNAIL, 90),
    )
    return shown, None
