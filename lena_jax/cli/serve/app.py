"""The page's tabs and the handlers of drops and clicks. Importing this module imports Gradio."""

import contextlib
import functools
import logging
import os

import gradio as gr
import numpy as np

from lena_jax.cli.serve import clips, judging, results
from lena_jax.cli.video import MOST_FRAMES, RATE
from lena_jax.runtime.templates import render

# How many visitors have their last ranking kept in memory, and for how many seconds after their last request.
_VISITORS, _REMEMBERED = 16, 3600
_KINDS = "JPEG, PNG, WebP, GIF, BMP, TIFF or PPM"


def build(scorer, uploads, limits, about):
    """Builds the page.

    Args:
        scorer: `Scorer`.
        uploads: `Uploads`.
        limits: `Limits`.
        about: Markdown about the model.

    Returns:
        `gradio.Blocks` with its queue.
    """
    work = _Work(scorer, uploads, limits)
    # One request at a time, whatever its kind.
    once = {"preprocess": False, "concurrency_limit": 1, "concurrency_id": "network", "api_visibility": "private"}
    with gr.Blocks(title="lena-jax", analytics_enabled=False) as blocks:
        gr.HTML(render(__package__, "heading.html.j2"))
        ranked = gr.State(None, time_to_live=_REMEMBERED)
        with gr.Tab("Rank"):
            gr.HTML(
                results.notice(
                    f"Up to {limits.max_pictures} pictures at a time, of at most "
                    f"{limits.max_megabytes} MB each: {_KINDS}."
                )
            )
            drop = gr.File(label="Pictures", file_count="multiple", height=150, elem_id="rank-drop")
            ranking = gr.HTML(
                results.notice(
                    "The highest score comes first. Red regions of a picture raise its score, blue regions lower it."
                ),
                elem_id="ranking",
            )
        with gr.Tab("Compare"):
            gr.HTML(results.notice("Drop two pictures together, or choose two of the ranked ones below."))
            two = gr.File(label="Two pictures", file_count="multiple", height=150, elem_id="compare-drop")
            with gr.Row():
                left = gr.Dropdown([], label="Left", interactive=True, elem_id="left")
                right = gr.Dropdown([], label="Right", interactive=True, elem_id="right")
                button = gr.Button("Compare", variant="primary", scale=0, min_width=140, elem_id="compare")
            comparison = gr.HTML(
                results.notice("Which regions favour the left picture, and which favour the right one."),
                elem_id="comparison",
            )
        videos = clips.available(scorer)
        if videos:
            with gr.Tab("Video"):
                gr.HTML(
                    results.notice(
                        f"One video of at most {limits.max_video_megabytes} MB: MP4, MOV, WebM, MKV, "
                        f"AVI and others. {RATE:.0f} frames per second are scored, at most "
                        f"{MOST_FRAMES} in all."
                    )
                )
                one = gr.File(label="Video", file_count="multiple", height=150, elem_id="video-drop")
                clip = gr.HTML(
                    results.notice("The best moments of the video, and the best frame as its thumbnail."),
                    elem_id="clip",
                )
        with gr.Tab("About"):
            gr.Markdown(about, elem_id="about")
        drop.upload(work.rank, [drop], [drop, ranking, ranked, left, right], **once, show_progress_on=ranking)
        two.upload(work.compare_files, [two], [two, comparison], **once, show_progress_on=comparison)
        if videos:
            one.upload(work.video, [one], [one, clip], **once, show_progress_on=clip)
        button.click(work.compare_ranked, [ranked, left, right], [comparison], **once)
    blocks.state_session_capacity = _VISITORS
    return blocks.queue(max_size=limits.max_waiting, api_open=False)


def theme():
    """Gradio's plain look with the visitor's own fonts."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def style():
    """The page's CSS."""
    return render(__package__, "page.css.j2")


def _said_plainly(method):
    """Decorates a handler: visitors see an error as one sentence without paths, and the log gets the details."""

    @functools.wraps(method)
    def saying(*given):
        try:
            return method(*given)
        except gr.Error:
            raise
        except Exception as error:  # Whatever it is, visitors must not see it, and the server goes on.
            logging.getLogger(__name__).error("a request failed", exc_info=error)
            raise gr.Error(
                "Something went wrong on the server. The log of the server says what.", print_exception=False
            ) from None

    return saying


class _Work:
    """The handlers of the page."""

    def __init__(self, scorer, uploads, limits):
        self._scorer, self._uploads, self._limits = scorer, uploads, limits

    @_said_plainly
    def rank(self, payload, progress=gr.Progress()):  # noqa: B008 Gradio finds it by its default.
        judged, bad = self._judge(payload, progress, self._limits.max_pictures)
        ordered = judging.ranking(judged)
        choices = [(f"{place}. {one.name}", place - 1) for place, one in enumerate(ordered, 1)]
        chosen = [min(place, len(ordered) - 1) if ordered else None for place in (0, 1)]
        return (
            None,
            results.ranking(ordered, bad),
            ordered,
            *(gr.Dropdown(choices=choices, value=value) for value in chosen),
        )

    @_said_plainly
    def compare_files(self, payload, progress=gr.Progress()):  # noqa: B008
        judged, bad = self._judge(payload, progress, 2)
        if bad:
            return None, results.ranking([], bad)
        if len(judged) != 2:
            raise _refusal(f"Drop two pictures together: got {len(judged)}.")
        return None, results.comparison(*judged)

    @_said_plainly
    def compare_ranked(self, ranked, left, right):
        if not ranked or len(ranked) < 2:
            raise _refusal("Rank at least two pictures first.")
        for one in (left, right):
            if type(one) is not int or not 0 <= one < len(ranked):
                raise _refusal("Choose two pictures.")
        if left == right:
            raise _refusal("Choose two different pictures.")
        return results.comparison(ranked[left], ranked[right])

    @_said_plainly
    def video(self, payload, progress=gr.Progress()):  # noqa: B008
        def judge(path, name):
            return clips.judge(self._scorer, path, name, self._uploads.folder)

        found, bad = self._each(payload, progress, 1, self._limits.max_video_megabytes, judge)
        return None, results.ranking([], bad) if bad else found[0]

    def _judge(self, payload, progress, most):
        return self._each(
            payload, progress, most, self._limits.max_megabytes, functools.partial(judging.judge, self._scorer)
        )

    def _each(self, payload, progress, most, megabytes, judge):
        """Returns (results of `judge`, list of (name, why not)). Deletes the files in any case."""
        try:
            files = self._uploads.named(payload)
        except ValueError:
            raise _refusal("The upload failed: drop the files again.") from None
        if not files:
            raise _refusal("No files were uploaded: drop them again.")
        try:
            if len(files) > most:
                raise _refusal(f"Too many files: got {len(files):,}, at most {most:,} are allowed at a time.")
            judged, bad, last = [], [], {path: number for number, (path, _) in enumerate(files)}
            for number, (path, name) in enumerate(files):
                progress((number, len(files)), desc="Scoring", unit="files")
                found, why = None, _too_large(path, megabytes)
                if why is None:
                    found, why = judge(path, name)
                judged += [found] if why is None else []
                bad += [(name, why)] if why is not None else []
                if last[path] == number:
                    self._uploads.delete([path])
            return judged, bad
        finally:
            self._uploads.delete([path for path, _ in files])


def _too_large(path, megabytes):
    with contextlib.suppress(OSError):  # A missing file is reported by its reader.
        if (size := os.path.getsize(path)) > megabytes * 1_000_000:
            return f"file too large: got {size / 1e6:.1f} MB, expected at most {megabytes}"
    return None


def _refusal(said):
    return gr.Error(said, title="Not done", print_exception=False)


def warm_up(scorer):
    """Compiles the model, so that the first request does not wait for it."""
    scorer.explain(np.zeros((64, 64, 3), np.uint8))
