"""`python -m data_prep build ivgp`: its arguments, fetching the pictures, and the build."""

import argparse
from collections.abc import Callable
from pathlib import Path

from data_prep.published_pictures import add_fetch_arguments, add_loss_arguments, fetch_pictures

DESCRIPTION = """\
Builds a data set from Google+ posts with pictures, as in "Exploring Image Virality in Google Plus" (Guerini,
Staiano and Albanese, SocialCom 2013). The score of a post is

  plus-ones / mean(plus-ones) * log(n / mean(n)),   n = reshares + 1

with means over all posts of the file. A post is compared with posts of about the same time, if times are there;
an author's posts are either all for training or all for testing. A picture posted several times counts once.
"""

EXAMPLES = """\
The posts, one activity a line as Google+ gave them:

  {"id": "z12", "published": "2012-03-01T18:30:00Z", "actor": {"id": "1070"}, "object": {"plusoners":
   {"totalItems": 31}, "replies": {"totalItems": 4}, "resharers": {"totalItems": 9}, "attachments":
   [{"image": {"url": "https://..."}}]}}

or as a CSV; published, author and image may be left out:

  id,plusoners,replies,resharers,published,author,image
  z12,31,4,9,2012-03-01T18:30:00Z,1070,beach/001.jpg

Their pictures lie in a folder as <id>.jpg (or another ending), or where the column `image` says.

configs:
  images    one picture, its score and counts; what the training reads
  pairs     left and right picture, and label (1: left is the more viral), drawn among all that are comparable

examples:
  python -m data_prep build ivgp --activities=posts.jsonl --images=pictures
  compare only what one author posted within a week:
    python -m data_prep build ivgp --activities=posts.csv --images=pictures --same_author --window_days=7
  20,000 clear pairs:
    python -m data_prep build ivgp --activities=posts.jsonl --images=pictures --config=pairs \\
        --pairs=20000 --gap=0.5
"""


def add(names, options: dict, shared: Callable, build: Callable) -> None:
    """Adds `ivgp` to the data sets of the command line; arguments as in `uiv.command.add`."""
    parser = names.add_parser(
        "ivgp", help="Google+ posts with pictures", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument(
        "--config", choices=("images", "pairs"), default="images", help="see below (default: %(default)s)"
    )
    parser.add_argument("--activities", required=True, metavar="FILE", help="JSON lines, or .csv with a header row")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument(
        "--test",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="of authors, whose posts are for testing; 0 for no test split (default: %(default)s)",
    )
    parser.add_argument(
        "--window_days",
        type=int,
        metavar="N",
        help="compare posts of the same window of N days, counted from 1970; 0: of any time (default: 30 if "
        "posts have times, else 0)",
    )
    parser.add_argument("--same_author", action="store_true", help="compare only posts of one author")
    drawing = parser.add_argument_group("pairs")
    drawing.add_argument(
        "--pairs", type=int, default=5000, metavar="N", help="most pairs of a split (default: %(default)s)"
    )
    drawing.add_argument(
        "--gap",
        type=float,
        default=0.0,
        metavar="SCORE",
        help="least difference of the scores of a pair (default: %(default)s)",
    )
    drawing.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    add_loss_arguments(parser)
    add_fetch_arguments(parser)
    shared(parser)
    parser.set_defaults(run=lambda arguments: _run(arguments, build))


def _run(arguments: argparse.Namespace, build: Callable) -> None:
    from data_prep.ivgp import Builder
    from data_prep.ivgp.activities import read

    if arguments.fetch:
        posts = read(arguments.activities).posts
        addresses = {post.id: post.url for post in posts if post.url and not post.image}
        fetch_pictures(arguments, addresses, Path(arguments.images))
    keys = ("activities", "images", "test", "window_days", "same_author", "pairs", "gap", "seed")
    options = {key: getattr(arguments, key) for key in (*keys, "max_loss", "min_side")}

    def make(data_dir):
        return Builder(config=arguments.config, data_dir=data_dir, **options)

    build(make, arguments)
