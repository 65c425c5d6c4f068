"""`python -m data_prep build image_scores`: its arguments."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

DESCRIPTION = """\
Reads a table (CSV with a header row, or Parquet) and a folder of pictures. One column names the pictures (paths
relative to the folder), one holds their scores: any number, higher is better. Rows without a score are left out
and counted. Equal pictures (same pixels) are never on both sides of a split or of a fold.
"""

EXAMPLES = """\
A small table, photos.csv:

  image,likes,site,part
  beach/001.jpg,310,a,train
  beach/002.jpg,12,b,test

examples:
  all pictures are comparable, in one split that is read as `all` (cross-validation):
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes
  likes of different sites are not comparable, and the table says which pictures to test on:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes \\
        --group=site --split=part
  likes depend on how often a picture was shown: likes a view, few views held close to the site's rate:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --views=views \\
        --transform=rate --group=site
  an author's pictures are never on both sides; ratings and likes in one data set, ratings are ranked by:
    python -m data_prep build image_scores --images=photos --csv=photos.parquet --score=rating --score=likes \\
        --fold_by=author
  clips: the table names videos, of each of which 8 frames are stored:
    python -m data_prep build image_scores --images=clips --csv=clips.csv --image_column=video --score=likes --frames=8
  some files are broken; leave them out and list them:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --on-bad-image=skip

transforms, each within the group:
  raw         the number as it is
  rate        (likes + s * r) / (views + s): r is the group's likes a view; s is the strength of that prior in
              views, --prior_views or estimated from how much the rates of the group differ beyond chance
  percentile  share of the group that the picture is above; ties count half
"""


def add(names, options: dict, shared: Callable, build: Callable) -> None:
    """Adds `image_scores` to the data sets of the command line.

    Args:
        names: the subparsers of `build`.
        options: of every parser.
        shared: adds the arguments that all data sets have.
        build: `build(make, arguments)` builds and says what came of it.
    """
    scores = names.add_parser(
        "image_scores",
        help="your pictures",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        **options,
    )
    scores.add_argument("--images", required=True, metavar="DIR", help="folder of pictures")
    scores.add_argument(
        "--csv", "--table", required=True, metavar="FILE", help="CSV with a header row (UTF-8), or Parquet"
    )
    scores.add_argument(
        "--score",
        required=True,
        action="append",
        metavar="COLUMN",
        help="column of scores; repeat it to store more columns beside the first, which is the one ranked by",
    )
    scores.add_argument(
        "--transform",
        choices=("raw", "rate", "percentile"),
        default="raw",
        help="how a score is made of the first column, see below (default: %(default)s)",
    )
    scores.add_argument("--views", metavar="COLUMN", help="column of views, for --transform=rate")
    scores.add_argument(
        "--prior_views",
        type=float,
        metavar="N",
        help="strength of the prior in views, for --transform=rate (default: estimated for each group)",
    )
    scores.add_argument(
        "--image_column",
        default="image",
        metavar="COLUMN",
        help="column of picture paths (default: %(default)s)",
    )
    scores.add_argument("--group", metavar="COLUMN", help="compare only pictures that are equal in this column")
    scores.add_argument("--split", metavar="COLUMN", help="column with train, validation or test")
    scores.add_argument(
        "--fold_by",
        metavar="COLUMN",
        help="keep pictures that are equal in this column (an author) on one side of every split and fold",
    )
    scores.add_argument(
        "--weight", metavar="COLUMN", help="a pair counts in training as the product of its pictures' weights"
    )
    scores.add_argument(
        "--frames",
        type=int,
        metavar="T",
        help="the files are videos: store T frames of each, evenly over its time (needs PyAV)",
    )
    scores.add_argument("--name", help="of the data set (default: the table's file name)")
    scores.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="a picture is missing or does not decode: stop, or skip and list it (default: %(default)s)",
    )
    scores.add_argument(
        "--on-duplicate",
        choices=("error", "skip"),
        default="error",
        help="a picture is in two splits: stop, or keep it in the last of train, validation and test only and "
        "list it (default: %(default)s)",
    )
    shared(scores)
    scores.set_defaults(run=lambda arguments: build(_maker(arguments), arguments))


def clean_name(text: str) -> str:
    """Returns `text` as a data set's name: lower case, of a-z, 0-9 and _; empty if nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _maker(arguments: argparse.Namespace) -> Callable:
    """Returns what makes the builder for a data_dir."""
    name = arguments.name
    if name is None:
        name = clean_name(Path(arguments.csv).stem)
    if not name or clean_name(name) != name:
        hint = f", such as --name={clean_name(name)}" if clean_name(name) else ""
        raise ValueError(f"--name: got {name!r}, expected a-z, 0-9 and _{hint}")

    def make(data_dir):
        from data_prep.image_scores.image_scores_dataset_builder import Builder, ImageScoresConfig

        keys = ("images", "csv", "image_column", "group", "split", "fold_by", "weight")
        keys += ("transform", "views", "prior_views", "frames", "on_bad_image", "on_duplicate")
        options = {key: getattr(arguments, key) for key in keys}
        config = ImageScoresConfig(name=name, score=tuple(arguments.score), **options)
        return Builder(data_dir=data_dir, config=config)

    return make
