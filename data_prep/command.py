"""The command line of `python -m data_prep`: arguments in, one build, and what to do next."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

DESCRIPTION = """\
Builds data sets of scored pictures that the training reads.

  planted        composed pictures with a known answer; needs no data of yours
  image_scores   your own folder of pictures and a CSV with a score for each
"""

EXAMPLES = """\
examples:
  python -m data_prep list
  python -m data_prep build planted
  python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes
  python -m data_prep build image_scores --help
"""

PLANTED = """\
Composes pictures from the photographs in the scikit-image package. Objects raise or lower a picture's score
by being there, a veil of haze lowers it by how much it covers, and noise keeps the best possible pair
accuracy near 0.95. Each picture comes with its score, the mask of what raised it and the objects' boxes. The
same seed gives the same pictures.
"""

PLANTED_EXAMPLES = """\
examples:
  python -m data_prep build planted
  python -m data_prep build planted --seed=1 --data_dir=/tmp/planted1
  python -m data_prep build planted --train=200 --validation=50 --test=50 --data_dir=/tmp/small
"""

IMAGE_SCORES = """\
Reads a table (CSV with a header row, or Parquet) and a folder of pictures. One column names the pictures (paths
relative to the folder), one holds their scores: any number, higher is better. Rows without a score are left out
and counted. Equal pictures (same pixels) are never on both sides of a split or of a fold.
"""

IMAGE_SCORES_EXAMPLES = """\
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
  some files are broken; leave them out and list them:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --on-bad-image=skip

transforms, each within the group:
  raw         the number as it is
  rate        (likes + s * r) / (views + s): r is the group's likes a view; s is the strength of that prior in
              views, --prior_views or estimated from how much the rates of the group differ beyond chance
  percentile  share of the group that the picture is above; ties count half
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, or 2 for bad input, said in one line on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except ValueError as error:
        print(f"data_prep: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"data_prep: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("data_prep: interrupted, nothing was left behind", file=sys.stderr)
        return 130
    return 0


def clean_name(text: str) -> str:
    """Returns `text` as a data set's name: lower case, of a-z, 0-9 and _; empty if nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _parser() -> argparse.ArgumentParser:
    options = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser(
        "python -m data_prep", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="{list,build}")

    command = commands.add_parser("list", help="what can be built, and what is there", **options)
    _add_data_dir(command)
    command.set_defaults(run=_list)

    build = commands.add_parser(
        "build", help="build a data set", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    names = build.add_subparsers(title="data sets", required=True, metavar="{planted,image_scores}")

    planted = names.add_parser(
        "planted", help="composed pictures", description=PLANTED, epilog=PLANTED_EXAMPLES, **options
    )
    planted.add_argument("--seed", type=int, default=0, help="of all randomness (default: %(default)s)")
    for split, count in (("train", 2400), ("validation", 200), ("test", 400)):
        planted.add_argument(
            f"--{split}",
            type=int,
            default=count,
            metavar="N",
            help=f"pictures in {split} (default: %(default)s)",
        )
    _add_data_dir(planted)
    _add_overwrite(planted)
    planted.set_defaults(run=_build_planted)

    scores = names.add_parser(
        "image_scores",
        help="your pictures",
        description=IMAGE_SCORES,
        epilog=IMAGE_SCORES_EXAMPLES,
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
    scores.add_argument(
        "--group", metavar="COLUMN", help="compare only pictures that are equal in this column"
    )
    scores.add_argument("--split", metavar="COLUMN", help="column with train, validation or test")
    scores.add_argument(
        "--fold_by",
        metavar="COLUMN",
        help="keep pictures that are equal in this column (an author) on one side of every split and fold",
    )
    scores.add_argument(
        "--weight", metavar="COLUMN", help="a pair counts in training as the product of its pictures' weights"
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
    _add_data_dir(scores)
    _add_overwrite(scores)
    scores.set_defaults(run=_build_image_scores)
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
    there = sorted(root.glob("planted/*/build_report.json")) + sorted(
        root.glob("image_scores/*/*/build_report.json")
    )
    print(f"built in {root}:" if there else f"nothing is built in {root} yet")
    for report in there:
        print(f"  {report.parent.relative_to(root)}")


def _build_planted(arguments: argparse.Namespace) -> None:
    counts = {split: getattr(arguments, split) for split in ("train", "validation", "test")}

    def make(data_dir):
        from data_prep.planted import Builder

        return Builder(data_dir=data_dir, seed=arguments.seed, **counts)

    _build(make, arguments)


def _build_image_scores(arguments: argparse.Namespace) -> None:
    name = arguments.name
    if name is None:
        name = clean_name(Path(arguments.csv).stem)
    if not name or clean_name(name) != name:
        hint = f", such as --name={clean_name(name)}" if clean_name(name) else ""
        raise ValueError(f"--name: got {name!r}, expected a-z, 0-9 and _{hint}")

    def make(data_dir):
        from data_prep.image_scores import Builder, ImageScoresConfig

        keys = ("images", "csv", "image_column", "group", "split", "fold_by", "weight")
        keys += ("transform", "views", "prior_views", "on_bad_image", "on_duplicate")
        options = {key: getattr(arguments, key) for key in keys}
        config = ImageScoresConfig(name=name, score=tuple(arguments.score), **options)
        return Builder(data_dir=data_dir, config=config)

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
    print(f"in    {built.path}")
    print("next  " + _next_command(built.name, arguments.data_dir, built.report["counts"]))


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


def _next_command(name: str, data_dir: str, counts: dict[str, int]) -> str:
    config = "quickstart" if name == "planted" else "image_scores"
    command = f"python experiments/train.py --config=experiments/configs/{config}.py"
    command += f" --workdir=runs/{name.split('/')[-1]}"
    command += f" --config.data.name={name} --config.data.dir={shlex.quote(str(data_dir))}"
    if "test" not in counts:
        command += " --folds=5"
    return command
