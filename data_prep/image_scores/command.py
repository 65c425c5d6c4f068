"""`python -m data_prep build image_scores`."""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data_prep.dataset_command import DatasetCommand, add_follow_links

SUMMARY = "your own folder of pictures, or videos, and a table with a score for each"

DESCRIPTION = """\
Reads a folder of pictures and a table: CSV, an Excel workbook, JSON lines or Parquet. Delimiter, encoding, header and
how numbers are written are found, and said. One column of the table names the pictures (paths relative to the folder),
another holds their scores: any numbers, higher is better. Rows without a score are left out and counted. Equal pictures
(same pixels), and nearly equal ones, are never on both sides of a split or fold.
"""

EXAMPLES = """\
A small table, photos.csv:

  image,likes,site,part
  beach/001.jpg,310,a,train
  beach/002.jpg,12,b,test

examples:
  all pictures are comparable, and there is one split, for cross-validation:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes
  likes of different sites are not comparable, and the table says which pictures to test on:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes \\
        --group=site --split=part
  likes depend on how often a picture was shown: score likes per view, with few views kept close to the site's rate:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --views=views \\
        --transform=rate --group=site
  an author's pictures stay on one side of a split; store ratings and likes, and rank by ratings:
    python -m data_prep build image_scores --images=photos --csv=photos.parquet --score=rating --score=likes \\
        --fold_by=author
  the table names videos; store 8 frames of each:
    python -m data_prep build image_scores --images=clips --csv=clips.csv --image_column=video --score=likes --frames=8
  some files are broken; leave them out and list them:
    python -m data_prep build image_scores --images=photos --csv=photos.csv --score=likes --on-bad-image=skip

transforms, each within the group:
  raw         the number as it is
  rate        (likes + s * r) / (views + s), where r is the group's likes per view, and s is the strength of this
              prior in views: --prior_views, or estimated from how much the group's rates differ beyond chance
  percentile  share of the group that the picture beats; ties count half
"""

# How many bad pictures are printed.
_LISTED = 10


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument(
        "--csv", "--table", required=True, metavar="FILE", help="CSV, Excel workbook, JSON lines or Parquet"
    )
    parser.add_argument(
        "--score",
        required=True,
        action="append",
        metavar="COLUMN",
        help="column of scores; repeat it to store more columns. Pictures are ranked by the first",
    )
    parser.add_argument(
        "--transform",
        choices=("raw", "rate", "percentile"),
        default="raw",
        help="how to turn the first column into a score, see below (default: %(default)s)",
    )
    parser.add_argument("--views", metavar="COLUMN", help="column of views, for --transform=rate")
    parser.add_argument(
        "--prior_views",
        type=float,
        metavar="N",
        help="strength of the prior in views, for --transform=rate (default: estimated for each group)",
    )
    parser.add_argument(
        "--image_column",
        default="image",
        metavar="COLUMN",
        help="column of paths of the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="VALUE",
        help="number or word that stands for a missing score, such as -1 for hidden likes; may be repeated. An empty "
        "cell, NA, null and the like always do",
    )
    parser.add_argument("--group", metavar="COLUMN", help="compare only pictures with the same value in this column")
    parser.add_argument("--split", metavar="COLUMN", help="column that says train, validation or test")
    parser.add_argument(
        "--fold_by",
        metavar="COLUMN",
        help="keep pictures with the same value in this column (an author) on one side of every split and fold",
    )
    parser.add_argument(
        "--weight",
        metavar="COLUMN",
        help="column of weights; in training, a pair's weight is the product of its pictures' weights",
    )
    parser.add_argument(
        "--frames",
        type=int,
        metavar="T",
        help="the files are videos: store T frames of each, evenly spaced in time (needs PyAV)",
    )
    add_follow_links(parser)
    parser.add_argument("--name", help="name of the dataset (default: the table's file name)")
    parser.add_argument(
        "--on-bad-image",
        choices=("error", "skip"),
        default="error",
        help="if a picture is missing or does not decode: stop, or skip and list it (default: %(default)s)",
    )
    parser.add_argument(
        "--on-duplicate",
        choices=("error", "skip"),
        default="error",
        help="if a picture is in two splits: stop, or keep it only in the last of train, validation and test, and "
        "list what was left out (default: %(default)s)",
    )
    parser.add_argument(
        "--on_near_duplicate",
        choices=("group", "keep"),
        default="group",
        help="pictures that are resized, recompressed, slightly cropped, framed or marked copies: keep them on one "
        "side of every split and fold like equal ones, or treat them as different pictures (default: %(default)s)",
    )


def clean_name(text: str) -> str:
    """Return `text` as the name of a dataset, in a-z, 0-9 and _; empty if nothing of it remains.

    Example:
        >>> clean_name("Holiday Photos 2024")
        'holiday_photos_2024'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def named(arguments: argparse.Namespace) -> str:
    """Return the dataset's name: `--name`, or the table's file name, cleaned.

    Raises:
        ValueError: `--name` has other characters than a-z, 0-9 and _.
    """
    name = arguments.name
    if name is None:
        name = clean_name(Path(arguments.csv).stem)
    if not name or clean_name(name) != name:
        hint = f", such as --name={clean_name(name)}" if clean_name(name) else ""
        raise ValueError(f"--name: got {name!r}, expected a-z, 0-9 and _{hint}")
    return name


def _prepare(arguments: argparse.Namespace) -> Callable:
    name = named(arguments)
    from data_prep.image_scores import Builder, ImageScoresConfig

    keys = ("images", "csv", "image_column", "group", "split", "fold_by", "weight")
    keys += ("transform", "views", "prior_views", "frames", "follow_links", "on_bad_image", "on_duplicate")
    keys += ("on_near_duplicate",)
    options = {key: getattr(arguments, key) for key in keys}
    config = ImageScoresConfig(name=name, score=tuple(arguments.score), missing=tuple(arguments.missing), **options)
    return lambda data_dir: Builder(data_dir=data_dir, config=config)


def _left_out(report: dict[str, Any]) -> Iterator[str]:
    """Yield what the table was found to be, and which rows a build left out, and why."""
    yield from report.get("table_said", [])
    rows = f"{report.get('rows', 0):,} rows"
    for reason in ("score", "group", "views"):
        if count := report.get(f"rows_without_{reason}", 0):
            yield f"left out {count:,} of {rows}: no {reason}"
    if count := len(report.get("duplicates_left_out", [])):
        yield f"left out {count:,} of {rows}: equal to a picture of another split"
    if count := len(report.get("near_duplicates", [])):
        yield f"{count:,} pairs of nearly equal pictures stay on one side of folds (they are in build_report.json)"
    if report.get("near_duplicates_not_looked_for"):
        yield "nearly equal pictures were not looked for among all pictures: there are too many"
    if count := report.get("colour_profiles_ignored", 0):
        yield f"{count:,} pictures have a colour profile that is damaged or does not fit, which was ignored"
    bad = report.get("bad_pictures", [])
    if bad:
        yield f"left out {len(bad):,} of {rows}: bad picture (all are in build_report.json)"
    for item in sorted(bad, key=lambda item: item["row"])[:_LISTED]:
        yield f"  {item['id']} (row {item['row']}): {item['reason']}"
    if len(bad) > _LISTED:
        yield f"  ... and {len(bad) - _LISTED:,} more"


COMMAND = DatasetCommand(
    "image_scores",
    SUMMARY,
    DESCRIPTION,
    EXAMPLES,
    _add_arguments,
    _prepare,
    training_config=lambda arguments: "image_scores" if arguments.frames is None else "clips",
    left_out=_left_out,
)
