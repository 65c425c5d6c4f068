"""`python -m data_prep build planted`."""

import argparse
from collections.abc import Callable, Mapping

from data_prep.dataset_command import DatasetCommand, add_number
from data_prep.planted.options import COUNTS, DESIGNS

SUMMARY = "composed pictures with a known answer; needs no data of yours"

DESCRIPTION = """\
Composes pictures from the photographs in the scikit-image package. The presence of an object raises or lowers a
picture's score, a veil of haze lowers it by the share that it covers, and noise keeps the best possible pair
accuracy near 0.95. Each picture comes with its score, the mask of the objects that raised it, and the boxes of all
objects. The same seed gives the same pictures.

Designs of the score, each with another support that is right:
  sum    objects raise or lower it by being there, haze lowers it by its share (the default; stored as `planted`)
  spot   the opacity of the strongest of several cats: few cells count, and the mean misleads
  whole  the share under haze: all cells count (objects are there, and do not count)
  mixed  the opacity of the strongest cat minus the share under haze
"""

EXAMPLES = """\
examples:
  python -m data_prep build planted
  python -m data_prep build planted --seed=1 --data_dir=/tmp/planted1
  python -m data_prep build planted --design=spot
  python -m data_prep build planted --train=200 --validation=50 --test=50 --data_dir=/tmp/small
"""


def add_arguments(parser: argparse.ArgumentParser, what: str = "pictures", counts: Mapping[str, int] = COUNTS) -> None:
    """Add the seed and the size of each split.

    Args:
        parser: the parser to add to.
        what: what a split consists of.
        counts: the default size of each split.
    """
    add_number(parser, "--seed", 0, None, "seed of all randomness")
    for split, count in counts.items():
        add_number(parser, f"--{split}", count, "N", f"{what} in {split}")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--design", choices=DESIGNS, default=DESIGNS[0], help="design of the score (default: %(default)s)"
    )
    add_arguments(parser)


def builder_options(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the options of `add_arguments` as the builder takes them."""
    return {name: getattr(arguments, name) for name in ("seed", *COUNTS)}


def _prepare(arguments: argparse.Namespace) -> Callable:
    from data_prep.planted import Builder

    return lambda data_dir: Builder(data_dir=data_dir, config=arguments.design, **builder_options(arguments))


COMMAND = DatasetCommand(
    "planted", SUMMARY, DESCRIPTION, EXAMPLES, _add_arguments, _prepare, training_config=lambda arguments: "quickstart"
)
