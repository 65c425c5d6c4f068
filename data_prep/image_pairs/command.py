"""`python -m data_prep build image_pairs`."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from data_prep.dataset_command import DatasetCommand, add_follow_links
from data_prep.image_scores.command import named

SUMMARY = "your own pairs: A/B tests, votes, choices of `lena-jax judge`"

DESCRIPTION = """\
Reads a folder of pictures and a table of pairs: CSV, an Excel workbook, JSON lines or Parquet. Two columns name the
pictures (paths relative to the folder), others say which is better: a winner (left, right, tie, or a picture's name), a
label in [0, 1], votes, or clicks and views. Columns with the usual names are found; rows that say nothing are left out
and counted. Equal pictures, and nearly equal ones, are never on both sides of a split or fold: pairs across are dropped
and counted.
"""

EXAMPLES = """\
A small table, choices.csv, as `lena-jax judge` writes it:

  left,right,winner,judge
  beach/001.jpg,beach/002.jpg,left,ann
  beach/001.jpg,city/007.jpg,tie,bob

examples:
  choices, or votes in columns left_votes and right_votes:
    python -m data_prep build image_pairs --images=photos --csv=choices.csv
  an A/B test of two thumbnails a row, with clicks and views:
    python -m data_prep build image_pairs --images=thumbnails --csv=tests.csv --left_clicks=clicks_a \\
        --left_views=shown_a --right_clicks=clicks_b --right_views=shown_b --left=a --right=b
  tests of several variants, a row for each variant:
    python -m data_prep build image_pairs --images=thumbnails --csv=variants.csv --image_column=image --test=test \\
        --left_clicks=clicks --left_views=impressions
  an author's pictures (columns left_author and right_author) stay on one side of every fold:
    python -m data_prep build image_pairs --images=photos --csv=choices.csv --fold_by=author

labels and weights:
  votes, winner  label P(p > 1/2) with p ~ Beta(1 + left, 1 + right); a winner is one vote, a tie half a vote each
  clicks         label P(left rate > right rate); each rate has a beta prior, estimated from the table
  label          as it is, with weight 1
  A weight is what the label tells, in bits, divided by the number of pairs of its test. Rows of the same two pictures
  add up.
"""

_COLUMNS = {
    "left": "left pictures (default: left, or found by its files)",
    "right": "right pictures (default: right, or found by its files)",
    "winner": "who won: left, right, tie, or a picture's name",
    "label": "the chance in [0, 1] that left is better",
    "left_votes": "votes for left",
    "right_votes": "votes for right",
    "left_clicks": "clicks on left, or on the variant",
    "left_views": "views of left, or of the variant",
    "right_clicks": "clicks on right",
    "right_views": "views of right",
    "image_column": "pictures, in a table with a row for each variant of a test",
    "test": "tests: the pairs of one test together count as one pair",
    "group": "groups: accuracy is also measured within the group of both pictures",
    "split": "train, validation or test",
    "judge": "who chose, to look for one-sided judges (default: judge, if it is there)",
}


def add_columns(parser: argparse.ArgumentParser | argparse._ArgumentGroup, without: Sequence[str] = ()) -> list[str]:
    """Add the options that say which column is what, and how strong the prior of click rates is.

    Args:
        parser: where to add them.
        without: names of options that are there already.

    Returns:
        The names of the options added.
    """
    added = [name for name in _COLUMNS if name not in without]
    for name in added:
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"column of {_COLUMNS[name]}")
    parser.add_argument(
        "--prior_views",
        type=float,
        metavar="N",
        help="strength of the prior of click rates in views (default: estimated)",
    )
    return [*added, "prior_views"]


def columns_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `columns.find` that the options name."""
    single = ("left", "right", "winner", "label", "test", "group", "split", "judge")
    columns: dict[str, Any] = {key: getattr(arguments, key) for key in single}
    columns["picture"] = arguments.image_column
    columns["votes"] = (arguments.left_votes, arguments.right_votes)
    columns["clicks"] = tuple(
        getattr(arguments, f"{side}_{what}") for side in ("left", "right") for what in ("clicks", "views")
    )
    return columns


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument(
        "--csv", "--table", required=True, metavar="FILE", help="CSV, Excel workbook, JSON lines or Parquet"
    )
    add_columns(parser)
    parser.add_argument(
        "--fold_by",
        metavar="COLUMN",
        help="keep pictures with the same value (an author) on one side of every split and fold; left_COLUMN and "
        "right_COLUMN if the table has them, else COLUMN for both pictures",
    )
    add_follow_links(parser)
    parser.add_argument("--name", help="name of the dataset (default: the table's file name)")
    parser.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="if a picture is missing or does not decode: stop, or leave out its pairs (default: %(default)s)",
    )
    parser.add_argument(
        "--on_near_duplicate",
        choices=("group", "keep"),
        default="group",
        help="pictures that are nearly equal: keep them on one side of every split and fold, or treat them as "
        "different (default: %(default)s)",
    )


def _prepare(arguments: argparse.Namespace) -> Callable:
    name = named(arguments)
    from data_prep.image_pairs import Builder, ImagePairsConfig

    columns = columns_of(arguments) | {"fold_by": arguments.fold_by}
    keys = ("images", "csv", "prior_views", "follow_links", "on_bad_image", "on_near_duplicate")
    config = ImagePairsConfig(name=name, columns=columns, **{key: getattr(arguments, key) for key in keys})
    return lambda data_dir: Builder(data_dir=data_dir, config=config)


def _left_out(report: dict[str, Any]) -> Iterator[str]:
    """Yield what the table was found to be, what was kept, and what was left out and why."""
    from data_prep.image_pairs import look

    yield from report.get("table_said", [])
    pairs = ", ".join(f"{count:,} {split}" for split, count in report.get("pairs", {}).items() if count)
    yield f"pairs: {pairs}"
    for reason, count in report.get("rows_left_out", {}).items():
        said = {"skip": "skipped", "undo": "taken back"}.get(reason, f"no {reason}")
        yield f"left out {count:,} of {report['rows']:,} rows: {said}"
    for key, said in (
        ("pairs_of_bad_pictures", "of a bad picture"),
        ("pairs_of_equal_pictures", "of two equal pictures"),
        ("pairs_across_splits", "across splits"),
    ):
        if count := report.get(key, 0):
            yield f"left out {count:,} pairs {said}"
    if count := len(report.get("near_duplicates", [])):
        yield f"{count:,} pairs of nearly equal pictures stay on one side of folds (they are in build_report.json)"
    if report.get("near_duplicates_not_looked_for"):
        yield "nearly equal pictures were not looked for among all pictures: there are too many"
    for item in report.get("bad_pictures", [])[:10]:
        yield f"  {item['id']}: {item['reason']}"
    yield from look.lines(report.get("choices", {}))


COMMAND = DatasetCommand(
    "image_pairs",
    SUMMARY,
    DESCRIPTION,
    EXAMPLES,
    _add_arguments,
    _prepare,
    training_config=lambda arguments: "image_scores",
    left_out=_left_out,
)
