"""`python -m data_prep build ivgp`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from data_prep.dataset_command import DatasetCommand, add_follow_links, add_number
from data_prep.published_pictures import add_fetch_arguments, add_limit_arguments, fetch_pictures, training_config

SUMMARY = "your own copy of Google+ posts with pictures"

DESCRIPTION = """\
Builds a dataset from Google+ posts with pictures, as in "Exploring Image Virality in Google Plus" (Guerini, Staiano
and Albanese, SocialCom 2013). The score of a post is

  plus-ones / mean(plus-ones) * log(n / mean(n)),   n = reshares + 1

with means over all posts of the file. If posts have times, each is compared with posts of about the same time. An
author's posts are either all for training or all for testing. A picture posted several times counts once.
"""

EXAMPLES = """\
The posts are one activity per line, in the JSON of Google+:

  {"id": "z12", "published": "2012-03-01T18:30:00Z", "actor": {"id": "1070"}, "object": {"plusoners":
   {"totalItems": 31}, "replies": {"totalItems": 4}, "resharers": {"totalItems": 9}, "attachments":
   [{"image": {"url": "https://..."}}]}}

or a CSV, in which published, author and image are optional:

  id,plusoners,replies,resharers,published,author,image
  z12,31,4,9,2012-03-01T18:30:00Z,1070,beach/001.jpg

Their pictures are in a folder, named <id>.jpg (or another ending) or as the column `image` says.

configs:
  images    one picture, its score and counts; what training reads
  pairs     left and right picture, and label (1: the left one is more viral), drawn from all comparable pairs

examples:
  python -m data_prep build ivgp --activities=posts.jsonl --images=pictures
  compare only what one author posted within a week:
    python -m data_prep build ivgp --activities=posts.csv --images=pictures --same_author --window_days=7
  20,000 clear pairs:
    python -m data_prep build ivgp --activities=posts.jsonl --images=pictures --config=pairs \\
        --pairs=20000 --gap=0.5
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", choices=("images", "pairs"), default="images", help="see below (default: %(default)s)"
    )
    parser.add_argument("--activities", required=True, metavar="FILE", help="JSON lines, or .csv with a header row")
    add_follow_links(parser)
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of pictures")
    add_number(parser, "--test", 0.1, "SHARE", "share of authors whose posts are for testing; 0 for no test split")
    parser.add_argument(
        "--window_days",
        type=int,
        metavar="N",
        help="compare only posts in the same window of N days, counted from 1970; 0 compares posts of any time "
        "(default: 30 if posts have times, else 0)",
    )
    parser.add_argument("--same_author", action="store_true", help="compare only posts of one author")
    drawing = parser.add_argument_group("pairs")
    add_number(drawing, "--pairs", 5000, "N", "most pairs in a split")
    add_number(drawing, "--gap", 0.0, "SCORE", "least difference between the scores of a pair")
    add_number(drawing, "--seed", 0, None, "seed of the draw")
    add_limit_arguments(parser)
    add_fetch_arguments(parser)


def _prepare(arguments: argparse.Namespace) -> Callable:
    from data_prep.ivgp import Builder
    from data_prep.ivgp.activities import read

    if arguments.fetch:
        posts = read(arguments.activities).posts
        addresses = {post.id: post.url for post in posts if post.url and not post.image}
        fetch_pictures(arguments, addresses, Path(arguments.images))
    keys = ("activities", "images", "test", "window_days", "same_author", "pairs", "gap", "seed")
    options = {key: getattr(arguments, key) for key in (*keys, "max_loss", "min_side", "follow_links")}
    return lambda data_dir: Builder(config=arguments.config, data_dir=data_dir, **options)


COMMAND = DatasetCommand("ivgp", SUMMARY, DESCRIPTION, EXAMPLES, _add_arguments, _prepare, training_config)
