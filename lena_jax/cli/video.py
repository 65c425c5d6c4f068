"""`lena-jax video`: the score of a clip, its best moments, and the frame to show it by."""

import sys

from lena_jax.cli import models

# What is looked at unless something else is asked for: frames a second, the most of them, the most of best moments.
RATE, MOST_FRAMES, MOST_MOMENTS = 2.0, 240, 8

DESCRIPTION = """\
Scores a video with a ranker of pictures or of clips: the clip as a whole, each of its frames as a still, and the
moments whose frames score highest. With --output it also writes a folder: frames.csv and clip.json (time and score of
each frame), timeline.png, moments.png (a sheet of the best moments), thumbnail.jpg (the best frame, at full size).
Needs PyAV: pip install 'lena-jax[video]'.
"""

EXAMPLES = """\
examples:
  lena-jax video clip.mp4 --model=runs/mine
  lena-jax video clip.mp4 --model=runs/mine -o clip_moments
  lena-jax video clip.mp4 --model=runs/clips --frames=8 --rate=0      # as many frames as it was trained with
"""


def add(commands, options):
    """Adds `video` to the command line."""
    parser = commands.add_parser(
        "video", help="score a video, find its best moments", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("video", metavar="FILE")
    models.add_model(parser)
    parser.add_argument("-o", "--output", metavar="FOLDER", help="to write; made if absent")
    parser.add_argument(
        "--rate",
        type=float,
        default=RATE,
        metavar="R",
        help="frames a second to look at; 0: as many as --frames, however long (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=MOST_FRAMES,
        metavar="T",
        help="the most frames to look at, evenly over time (default: %(default)s)",
    )
    parser.add_argument(
        "--moments", type=int, default=MOST_MOMENTS, metavar="K", help="the most to list (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0, or 1 if the video could not be read."""
    if arguments.moments < 1:
        raise ValueError(f"--moments: got {arguments.moments}, expected at least 1")
    with models.opened(arguments) as scorer, models.pictures_read() as outcome:
        from tqdm import tqdm

        from lena_jax.data.video import BadVideo, read_clip, read_frame
        from lena_jax.scoring import clip_files
        from lena_jax.scoring.clips import ClipScorer, best_moments, clock

        clips = ClipScorer(scorer)
        try:
            clip = read_clip(arguments.video, arguments.frames, arguments.rate or None)
            found = clips.score(tqdm(clip.frames, "scoring", unit=" frames", file=sys.stderr, mininterval=0.5))
            moments = best_moments(found.frame_scores, arguments.moments)
            if arguments.output:
                thumbnail = read_frame(arguments.video, clip.times[moments[0]])
                clip_files.save(arguments.output, arguments.video, clip, found, moments, thumbnail)
        except BadVideo as error:
            raise BadVideo(f"{arguments.video}: {error}") from error
        print(f"clip score {found.score:+.4f}, mean of its {len(clip.frames)} frames {found.frame_mean:+.4f}")
        print("\n".join(f"{clock(clip.times[moment]):>9}  {found.frame_scores[moment]:+.4f}" for moment in moments))
        if arguments.output:
            print(f"wrote {', '.join(clip_files.FILES)} into {arguments.output}")
    return outcome.code
