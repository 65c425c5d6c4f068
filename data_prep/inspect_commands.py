"""`python -m data_prep describe` and `check`: what is in a built dataset, and whether it is sound."""

import argparse
from collections.abc import Callable
from pathlib import Path

DESCRIBE = """\
Says how many pictures each split of a built dataset has and how their scores are distributed, and draws two PNGs into
the dataset's folder: a histogram of the scores, and a sheet of the pictures with the highest and lowest scores. Of
image_pairs it also says how often the left picture won, which judges favour a side, and how many choices contradict
each other.
"""

DESCRIBE_EXAMPLES = """\
examples:
  python -m data_prep describe planted
  python -m data_prep describe image_scores/photos --out=/tmp/photos
"""

CHECK = """\
Reads every record of a built dataset, decodes every picture, and looks for what would make a measurement wrong: an id
that is there twice, and an id, a picture (by its pixels) or a unit (--fold_by) that is in two splits. Of image_pairs,
also a pair of a picture that is not there, or of two splits.

Exit code: 0 sound, 1 not sound (the problems are listed), 2 no such dataset.
"""

CHECK_EXAMPLES = """\
examples:
  python -m data_prep check image_scores/photos
  python -m data_prep check image_scores/photos --all > problems.txt
"""

_LISTED = 20


def add(commands, options: dict, add_data_dir: Callable) -> None:
    """Add `describe` and `check` to the command line.

    Args:
        commands: the subparsers of the command line.
        options: options of every parser.
        add_data_dir: adds the argument `--data_dir` to a parser.
    """
    describe = commands.add_parser(
        "describe",
        help="counts and pictures of a built dataset",
        description=DESCRIBE,
        epilog=DESCRIBE_EXAMPLES,
        **options,
    )
    describe.add_argument("--out", metavar="DIR", help="folder for the two PNGs (default: the dataset's own)")
    check = commands.add_parser(
        "check", help="is a built dataset sound?", description=CHECK, epilog=CHECK_EXAMPLES, **options
    )
    check.add_argument("--all", action="store_true", help=f"list all problems, not only the first {_LISTED}")
    for parser, run in ((describe, _describe), (check, _check)):
        parser.add_argument("name", metavar="NAME", help="such as planted or image_scores/photos, see `list`")
        add_data_dir(parser)
        parser.set_defaults(run=run)


def _describe(arguments: argparse.Namespace) -> None:
    # Imported here so that --help and a mistyped option answer at once.
    from data_prep import describe

    data = _open(arguments)
    scores = describe.read_scores(data)
    print(f"{data.name} in {data.folder}")
    print(describe.table(data, scores))
    _say_choices(data)
    folder = Path(arguments.out or data.folder).expanduser()
    try:
        for path in describe.draw(data, scores, folder):
            print(f"see   {path}")
    except PermissionError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror}): --out=DIR draws elsewhere") from error


def _check(arguments: argparse.Namespace) -> int:
    from data_prep.check import check
    from lena_jax.runtime.progress import counted

    data = _open(arguments)

    def progress(numbers, split):
        return counted(numbers, split, unit="records")

    result = check(data, progress)
    counts = ", ".join(f"{count:,} {split}" for split, count in result.counts.items())
    print(f"{'not sound' if result.problems else 'sound'}: {data.name}: {counts}")
    if result.repeated:
        print(f"{result.repeated:,} pictures are equal to another of their split, which is no problem")
    _say_choices(data)
    listed = result.problems if arguments.all else result.problems[:_LISTED]
    for problem in listed:
        print(f"  {problem}")
    if len(result.problems) > len(listed):
        print(f"  ... and {len(result.problems) - len(listed):,} more (--all lists them)")
    return 1 if result.problems else 0


def _say_choices(data) -> None:
    """Print what the choices of a dataset of pairs say about the people who made them; nothing for other datasets."""
    from data_prep import build_report
    from data_prep.image_pairs import look

    for line in look.lines(build_report.read(data.folder).get("choices", {})):
        print(line)


def _open(arguments: argparse.Namespace):
    from absl import logging

    from data_prep.built import BuiltDataset

    logging.set_verbosity(logging.ERROR)
    return BuiltDataset(arguments.name, Path(arguments.data_dir))
