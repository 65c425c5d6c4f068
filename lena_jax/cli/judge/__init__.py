"""`lena-jax judge`: a web page on which people choose between two pictures at a time."""

import os
from pathlib import Path

from lena_jax.cli import models, parsing
from lena_jax.cli.serve import listening

DESCRIPTION = """\
Serves a page that shows two pictures of a folder side by side. People choose the better one by the arrow keys, a click
or a tap; a tie, skipping and undoing are possible. Every choice is appended to a CSV and is on the disk before the next
pair is shown, so a crash loses at most the pair on screen; the same command goes on. Several people may judge at once,
by name, from several browsers.

Which pair comes next is chosen to tell most under a running Bradley-Terry estimate, or under a trained model; a share
of the pairs is drawn at random, and marked so in the column `how`, so that an evaluation on them is unbiased. Which
picture is left is drawn by chance.

Only this machine can open the page unless --host says otherwise; then it asks for --password, or its address has a
token.

Needs the packages of the page: pip install 'lena-jax[page]'
"""

EXAMPLES = """\
examples:
  lena-jax judge photos/ -o choices.csv
  lena-jax judge photos/ -o choices.csv --model=models/photos

then:
  python -m data_prep rank choices.csv -o scores.csv
  lena-jax train photos/ --pairs=choices.csv
"""


def add(commands, options):
    """Adds `judge` to the command line."""
    parser = commands.add_parser(
        "judge",
        help="serve a web page to choose between two pictures at a time",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        **options,
    )
    parser.add_argument("pictures", metavar="FOLDER", help="folder of pictures")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="CSV of choices; one that is there goes on"
    )
    parser.add_argument("--model", metavar="MODEL", help=f"start from the scores of a {models.MODEL_HELP}")
    parser.add_argument(
        "--random",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of pairs that are drawn at random (default: %(default)s)",
    )
    listening.add_options(parser, port=7861)
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Serves the page until a signal ends it, which is raised."""
    folder, output = Path(arguments.pictures).expanduser(), Path(arguments.output).expanduser()
    if not folder.is_dir():
        raise ValueError(f"got {arguments.pictures!r}, expected a folder of pictures{parsing.near(folder)}")
    if not output.absolute().parent.is_dir() or output.is_dir():
        raise ValueError(f"got --output={arguments.output!r}, expected a file in a folder that exists")
    if output.suffix.lower() != ".csv":
        raise ValueError(f"got --output={arguments.output!r}, expected a name that ends in .csv")
    if not 0 <= arguments.random <= 1:
        raise ValueError(f"got --random={arguments.random:g}, expected a share in [0, 1]")
    listening.check_options(arguments)
    from lena_jax.cli.judge import server

    names = server.names_of(folder)
    mean = _scores(arguments, folder, names) if arguments.model else None
    options = arguments.host, arguments.port, arguments.password
    server.serve(folder, names, os.fspath(output), arguments.random, mean, *options)
    return 0


def _scores(arguments, folder, names):
    """Scores the pictures with the model; one that cannot be read gets the mean."""
    import argparse

    import numpy as np

    given = argparse.Namespace(model=arguments.model, objectness=None, data_dir=None)
    with models.opened(given) as scorer:
        print(f"scoring {len(names):,} pictures with {arguments.model} ...", flush=True)
        found = [one.score for one in scorer.score([folder / name for name in names])]
    if all(one is None for one in found):
        raise ValueError(f"got no picture in {os.fspath(folder)!r} that can be read, expected at least two")
    scores = np.array([np.nan if one is None else one for one in found], float)
    return np.where(np.isnan(scores), np.nanmean(scores), scores)
