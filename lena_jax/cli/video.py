"""`lena-jax video`: score a clip and find its best moments and thumbnail."""

from lena_jax.cli import models

# Defaults: frames per second, maximum number of frames, maximum number of best moments.
RATE, MOST_FRAMES, MOST_MOMENTS = 2.0, 240, 8

DESCRIPTION = """\
Scores a video with a model of pictures or of clips. Prints the score of the clip, the mean score of its frames as
still pictures, and the best moments: the times whose frames score highest.

With --output, also writes a folder: frames.csv and clip.json (time and score of each frame), timeline.png, moments.png
(the best moments side by side), thumbnail.jpg (the best frame at full size).

Needs PyAV: pip install 'lena-jax[video]'
"""

EXAMPLES = """\
examples:
  lena-jax video clip.mp4 --model=runs/mine
  lena-jax video clip.mp4 --model=runs/mine -o clip_moments
  lena-jax video clip.mp4 --model=runs/clips --frames=8 --rate=0      # the frame count of its training
"""


def add(commands, options):
    """Adds `video` to the command line."""
    parser = commands.add_parser(
        "video", help="score a video and find its best moments", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("video", metavar="FILE", help="video file to score")
    models.add_model(parser)
    parser.add_argument("-o", "--output", metavar="FOLDER", help="folder to write; created if missing")
    parser.add_argument(
        "--rate",
        type=float,
        default=RATE,
        metavar="R",
        help="frames to score per second of video; 0: --frames frames, whatever its length (default: %(default)s)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=MOST_FRAMES,
        metavar="T",
        help="maximum number of frames, evenly spaced in time (default: %(default)s)",
    )
    parser.add_argument(
        "--moments",
        type=int,
        default=MOST_MOMENTS,
        metavar="K",
        help="maximum number of best moments (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0, or 1 if the video could not be read."""
    if arguments.moments < 1:
        raise ValueError(f"--moments: got {arguments.moments}, expected at least 1")
    with models.opened(arguments) as scorer, models.pictures_read() as outcome:
        from lena_jax.data.video import BadVideo, read_clip, read_frame
        from lena_jax.runtime.progress import counted
        from lena_jax.scoring import clip_files
        from lena_jax.scoring.clips import ClipScorer, best_moments, clock

        clips = ClipScorer(scorer)
        try:
            clip = read_clip(arguments.video, arguments.frames, arguments.rate or None)
            found = clips.score(counted(clip.frames, "scoring", unit="frames"))
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
