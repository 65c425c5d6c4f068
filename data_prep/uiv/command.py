"""`python -m data_prep build uiv`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from data_prep.dataset_command import DatasetCommand, add_follow_links
from data_prep.published_pictures import add_fetch_arguments, add_limit_arguments, fetch_pictures, training_config

SUMMARY = "Understanding Image Virality: pairs of pictures, and which of each spread more"

DESCRIPTION = """\
Builds the dataset of "Understanding Image Virality" (Deza and Parikh, CVPR 2015): 10,078 pictures in 5,039 pairs. In
each pair, one picture spread more than the other. The 489 published test pairs are for testing.

The annotations (1 MB) are downloaded and checked against known hashes, or read from --manual_dir. The pictures are
not published with them: give a folder of <number>.jpg, or let --fetch request each from its original address. Many
may be gone. The build says what it kept and why it left out the rest, and stops if it left out too much of a split.

Some pictures are explicit or sexual, and are labelled as such.
"""

EXAMPLES = """\
configs:
  pairs     left and right picture as shown to people, label (1: the left one is more viral), ids, scores, and five
            attributes (1: the left one has more of it, -1: the right one, 0: equal)
  images    one picture, its score and the counts behind it; what training reads

examples:
  the pictures are in a folder:
    python -m data_prep build uiv --images=reddit_pictures
    python -m data_prep build uiv --images=reddit_pictures --config=images
  fetch the pictures; after an interruption, the same command goes on:
    python -m data_prep build uiv --fetch
  most are gone, and the rest is enough:
    python -m data_prep build uiv --fetch --max_loss=0.9
  no network:
    python -m data_prep build uiv --images=reddit_pictures --manual_dir=virality

fetch_ledger.jsonl, beside the fetched pictures, records what became of each. Pictures that are gone for good are not
requested again; delete the file to request them again.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", choices=("pairs", "images"), default="pairs", help="see below (default: %(default)s)"
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of pictures, <number>.jpg or another ending; with --fetch, where to put them "
        "(default with --fetch: downloads/uiv/pictures in --data_dir)",
    )
    add_follow_links(parser)
    parser.add_argument("--manual_dir", metavar="DIR", help="folder with the annotation files (default: download them)")
    add_limit_arguments(parser)
    add_fetch_arguments(parser)


def _prepare(arguments: argparse.Namespace) -> Callable:
    if arguments.images is None and not arguments.fetch:
        raise ValueError("got neither --images=DIR nor --fetch, expected a folder of pictures, or --fetch to get them")
    import tensorflow_datasets as tfds

    from data_prep.uiv import Builder

    # TFDS's bars would count the five small annotation files.
    tfds.disable_progress_bar()
    cache = Path(arguments.data_dir).expanduser().absolute() / "downloads" / "uiv"
    images = cache / "pictures" if arguments.images is None else Path(arguments.images).expanduser()

    def make(data_dir):
        return Builder(
            config=arguments.config,
            data_dir=data_dir,
            images=images,
            manual_dir=arguments.manual_dir,
            cache_dir=cache,
            max_loss=arguments.max_loss,
            min_side=arguments.min_side,
            follow_links=arguments.follow_links,
        )

    if arguments.manual_dir is None and not cache.is_dir():
        print("downloading the annotations (1 MB)", file=sys.stderr)
    if arguments.fetch:
        pictures = make(arguments.data_dir).content.pictures.values()
        fetch_pictures(arguments, {picture.id: picture.url for picture in pictures}, images)
    return make


COMMAND = DatasetCommand("uiv", SUMMARY, DESCRIPTION, EXAMPLES, _add_arguments, _prepare, training_config)
