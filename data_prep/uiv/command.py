"""`python -m data_prep build uiv`: its arguments and the build."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from data_prep.published_pictures import add_fetch_arguments, add_loss_arguments, fetch_pictures

DESCRIPTION = """\
Builds the data set of "Understanding Image Virality" (Deza and Parikh, CVPR 2015): 10,078 pictures in 5,039
pairs, of which one spread more than the other. 489 pairs, the published ones, are for testing.

The annotations (1 MB) are downloaded and checked against known hashes, or taken from --manual_dir. The pictures
are not published with them: give a folder of <number>.jpg, or let --fetch ask for each where it once was. Many
may be gone; the build says what it kept and why the rest fell out, and stops if a split lost too much.

Some pictures are explicit or sexual, and were labelled as such.
"""

EXAMPLES = """\
configs:
  pairs     left and right picture as shown to people, label (1: left is the more viral), ids, scores, and five
            attributes (1: left has more of it, -1: right, 0: equal)
  images    one picture, its score and the counts behind it; what the training reads

examples:
  the pictures are in a folder:
    python -m data_prep build uiv --images=reddit_pictures
    python -m data_prep build uiv --images=reddit_pictures --config=images
  they are not; interrupted, the same command goes on:
    python -m data_prep build uiv --fetch
  most are gone, and what is left will do:
    python -m data_prep build uiv --fetch --max_loss=0.9
  no network:
    python -m data_prep build uiv --images=reddit_pictures --manual_dir=virality

What became of each fetched picture is kept in fetch_ledger.jsonl beside them. What was gone for good is not asked
for again; delete the file to ask again.
"""


def add(names, options: dict, shared: Callable, build: Callable) -> None:
    """Adds `uiv` to the data sets of the command line.

    Args:
        names: the subparsers of `build`.
        options: of every parser.
        shared: adds the arguments that all data sets have.
        build: `build(make, arguments)` builds and says what came of it.
    """
    parser = names.add_parser(
        "uiv",
        help="Understanding Image Virality, 10,078 pictures",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        **options,
    )
    parser.add_argument(
        "--config", choices=("pairs", "images"), default="pairs", help="see below (default: %(default)s)"
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of pictures, <number>.jpg or another ending; with --fetch, where to put them "
        "(default then: downloads/uiv/pictures in --data_dir)",
    )
    parser.add_argument("--manual_dir", metavar="DIR", help="folder with the annotation files (default: download them)")
    add_loss_arguments(parser)
    add_fetch_arguments(parser)
    shared(parser)
    parser.set_defaults(run=lambda arguments: _run(arguments, build))


def _run(arguments: argparse.Namespace, build: Callable) -> None:
    if arguments.images is None and not arguments.fetch:
        raise ValueError("got neither --images=DIR nor --fetch, expected a folder of pictures or leave to fetch them")
    import tensorflow_datasets as tfds

    from data_prep.uiv import Builder

    # Its bars count the five small annotation files.
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
        )

    if arguments.manual_dir is None and not cache.is_dir():
        print("downloading the annotations (1 MB)", file=sys.stderr)
    if arguments.fetch:
        pictures = make(arguments.data_dir).content.pictures.values()
        fetch_pictures(arguments, {picture.id: picture.url for picture in pictures}, images)
    build(make, arguments)
