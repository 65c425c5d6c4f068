"""A video on the page: its scores over time, its best moments, and the frame to show it by."""

import base64
import importlib.util
import os
import tempfile

from lena_jax.cli.serve import judging
from lena_jax.cli.serve.results import image
from lena_jax.cli.video import MOST_FRAMES, MOST_MOMENTS, RATE
from lena_jax.report.html import tag

# Longest sides in pixels.
_MOMENT, _THUMBNAIL = 320, 1280


def available(scorer):
    """Whether videos can be scored: PyAV is installed, and the model looks at nothing but pictures."""
    return importlib.util.find_spec("av") is not None and scorer.model.fusion == "none"


def judge(scorer, path, name, folder):
    """Scores one video.

    Args:
        scorer: `Scorer`.
        path: of the file.
        name: to show.
        folder: for the drawing, which is there for a moment.

    Returns:
        (markup, None), or (None, why the video cannot be used).
    """
    from lena_jax.data.video import BadVideo, read_clip, read_frame
    from lena_jax.scoring.clip_files import save_timeline
    from lena_jax.scoring.clips import ClipScorer, best_moments, clock

    try:
        clip = read_clip(path, MOST_FRAMES, RATE)
        found = ClipScorer(scorer).score(clip.frames)
        moments = best_moments(found.frame_scores, MOST_MOMENTS)
        thumbnail = read_frame(path, clip.times[moments[0]])
    except BadVideo as error:
        return None, str(error)
    except MemoryError:
        return None, "too large for the memory that is left"
    with tempfile.TemporaryDirectory(dir=folder) as drawn:
        save_timeline(os.path.join(drawn, "timeline.png"), clip, found, moments)
        with open(os.path.join(drawn, "timeline.png"), "rb") as file:
            timeline = base64.b64encode(file.read()).decode()
    head = tag(
        "div",
        tag("h3", tag("bdi", name, class_="lena-name")),
        tag(
            "p",
            f"Score of the clip {found.score:+.2f}; mean of its {len(clip.frames):,} frames, each as a "
            f"still, {found.frame_mean:+.2f}; {clock(clip.duration)} long.",
        ),
    )
    cards = [
        tag(
            "figure",
            image(judging.jpeg(clip.frames[moment], _MOMENT), f"Frame at {clip.times[moment]:.1f} s"),
            tag(
                "figcaption",
                tag("span", place, class_="lena-rank"),
                tag("b", clock(clip.times[moment])),
                tag("p", f"score {found.frame_scores[moment]:+.2f}", class_="lena-quiet"),
            ),
            class_="lena-card",
        )
        for place, moment in enumerate(moments.tolist(), 1)
    ]
    chart = tag(
        "img",
        src=f"data:image/png;base64,{timeline}",
        class_="lena-chart",
        alt="Scores of the frames over time, and what each adds to the score of the clip",
    )
    return tag(
        "div",
        head,
        _heading("Over time"),
        chart,
        _heading("Best moments"),
        tag("div", *cards, class_="lena-cards lena-moments"),
        _heading("Thumbnail"),
        tag(
            "div",
            image(judging.jpeg(thumbnail, _THUMBNAIL, 90), "The frame with the highest score"),
            class_="lena-thumbnail",
        ),
        class_="lena",
    ), None


def _heading(text):
    return tag("h3", text, class_="lena-part")
