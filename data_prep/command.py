"""The command line of `python -m data_prep`: arguments in, one build, and what to do next."""

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep import inspect_commands, objectness_command
from data_prep.image_scores import command as image_scores_command
from data_prep.ivgp import command as ivgp_command
from data_prep.uiv import command as uiv_command

DESCRIPTION = """\
Builds data sets of scored pictures that the training reads.

  planted        composed pictures with a known answer; needs no data of yours
  planted_clips  short clips of the same kind, in which objects come and go
  image_scores   your own folder of pictures, or videos, and a table with a score for each
  uiv            Understanding Image Virality: pairs of pictures, which of them spread more
  ivgp           your own copy of Google+ posts with pictures
"""

EXAMPLES = """\
examples:
  python -m data_prep list
  python -m data_prep build planted
  python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes
  python -m data_prep build image_scores --help
  python -m data_prep describe planted
  python -m data_prep check planted
  python -m data_prep objectness planted
"""

PLANTED = """\
Composes pictures from the photographs in the scikit-image package. Objects raise or lower a picture's score
by being there, a veil of haze lowers it by how much it covers, and noise keeps the best possible pair
accuracy near 0.95. Each picture comes with its score, the mask of what raised it and the objects' boxes. The
same seed gives the same pictures.
"""

PLANTED_CLIPS = """\
As `planted`, but clips of eight frames: an object is there for a run of one to eight of them, and counts in the
score as much however long that is. The veil stays. The best possible pair accuracy is near 0.95 again.
"""

PLANTED_CLIPS_EXAMPLES = """\
example:
  python -m data_prep build planted_clips
"""

PLANTED_EXAMPLES = """\
examples:
  python -m data_prep build planted
  python -m data_prep build planted --seed=1 --data_dir=/tmp/planted1
  python -m data_prep build planted --train=200 --validation=50 --test=50 --data_dir=/tmp/small
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 1 for a failure, or 2 for bad input, said in one line on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except ValueError as error:
        print(f"data_prep: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"data_prep: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("data_prep: interrupted, nothing was left behind", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    options = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("python -m data_prep", description=DESCRIPTION, epilog=EXAMPLES, **options)
    commands = parser.add_subparsers(title="commands", required=True, metavar="{list,build,describe,check,objectness}")

    command = commands.add_parser("list", help="what can be built, and what is there", **options)
    _add_data_dir(command)
    command.set_defaults(run=_list)

    build = commands.add_parser("build", help="build a data set", description=DESCRIPTION, epilog=EXAMPLES, **options)
    names = build.add_subparsers(
        title="data sets", required=True, metavar="{planted,planted_clips,image_scores,uiv,ivgp}"
    )

    for name, what, description, epilog, counts in (
        ("planted", "pictures", PLANTED, PLANTED_EXAMPLES, (2400, 200, 400)),
        ("planted_clips", "clips", PLANTED_CLIPS, PLANTED_CLIPS_EXAMPLES, (800, 100, 200)),
    ):
        planted = names.add_parser(name, help=f"composed {what}", description=description, epilog=epilog, **options)
        planted.add_argument("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
        for split, count in zip(("train", "validation", "test"), counts, strict=True):
            planted.add_argument(
                f"--{split}",
                type=int,
                default=count,
                metavar="N",
                help=f"{what} in {split} (default: %(default)s)",
            )
        _add_data_dir(planted)
        _add_overwrite(planted)
        planted.set_defaults(run=_build_planted, package=f"data_prep.{name}")

    def shared(parser):
        _add_data_dir(parser)
        _add_overwrite(parser)

    image_scores_command.add(names, options, shared, _build)
    uiv_command.add(names, options, shared, _build)
    ivgp_command.add(names, options, shared, _build)
    inspect_commands.add(commands, options, _add_data_dir)
    objectness_command.add(commands, options, _add_data_dir)
    return parser


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("TFDS_DATA_DIR") or "data"
    parser.add_argument(
        "--data_dir",
        default=default,
        metavar="DIR",
        help="where data sets lie (default: TFDS_DATA_DIR or data; now %(default)s)",
    )


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace a data set of this name")


def _list(arguments: argparse.Namespace) -> None:
    print(DESCRIPTION)
    root = Path(arguments.data_dir).expanduser()
    patterns = ("planted/*", "planted_clips/*", "image_scores/*/*", "uiv/*/*", "ivgp/*/*")
    there = [path for pattern in patterns for path in sorted(root.glob(f"{pattern}/build_report.json"))]
    print(f"built in {root}:" if there else f"nothing is built in {root} yet")
    for report in there:
        print(f"  {report.parent.relative_to(root)}")


def _build_planted(arguments: argparse.Namespace) -> None:
    counts = {split: getattr(arguments, split) for split in ("train", "validation", "test")}

    def make(data_dir):
        return importlib.import_module(arguments.package).Builder(data_dir=data_dir, seed=arguments.seed, **counts)

    _build(make, arguments)


def _build(make: Callable, arguments: argparse.Namespace) -> None:
    """Builds with a progress bar and says what came of it."""
    # Here and not above: --help and a mistyped option answer at once.
    from absl import logging
    from tqdm import tqdm

    from data_prep import staging

    logging.set_verbosity(logging.ERROR)

    def progress(examples, split, total):
        return tqdm(examples, desc=split, total=total, unit=" pictures", mininterval=0.5, file=sys.stderr)

    def make_with_progress(data_dir):
        builder = make(data_dir)
        builder.progress = progress
        return builder

    built = staging.build(make_with_progress, Path(arguments.data_dir), arguments.overwrite)
    counts = ", ".join(f"{count:,} {split}" for split, count in built.report["counts"].items())
    print(f"{'built' if built.fresh else 'already there, made from the same input:'} {built.name}: {counts}")
    _say_what_was_left_out(built.report)
    if (table := built.path / "build_report.txt").is_file():
        print(table.read_text(encoding="utf-8"), end="")
    print(f"in    {built.path}")
    if not built.name.endswith("/pairs"):
        print("next  " + _next_command(built.name, arguments.data_dir, built.report))


def _say_what_was_left_out(report: dict) -> None:
    for reason in ("score", "group", "views"):
        if count := report.get(f"rows_without_{reason}", 0):
            print(f"left out {count:,} of {report['rows']:,} rows: no {reason}")
    if count := len(report.get("duplicates_left_out", [])):
        print(f"left out {count:,} of {report['rows']:,} rows: equal to a picture of another split")
    bad = report.get("bad_pictures", [])
    if bad:
        print(f"left out {len(bad):,} of {report['rows']:,} rows: bad picture (all are in build_report.json)")
    for item in bad[:10]:
        print(f"  {item['id']} (row {item['row']}): {item['reason']}")
    if len(bad) > 10:
        print(f"  ... and {len(bad) - 10:,} more")


def _next_command(name: str, data_dir: str, report: dict) -> str:
    config = "quickstart" if name == "planted" else "clips" if report.get("frames") else "image_scores"
    command = f"python experiments/train.py --config=experiments/configs/{config}.py"
    command += f" --workdir=runs/{name.split('/')[-1]}"
    command += f" --config.data.name={name} --config.data.dir={shlex.quote(str(data_dir))}"
    if "test" not in report["counts"]:
        command += " --folds=5"
    return command
