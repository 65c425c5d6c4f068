"""`lena-jax pick`: the best of several shots of the same thing."""

import os
import sys

from lena_jax.cli import models

DESCRIPTION = """\
Finds pictures that look like shots of one thing, and says which of each series has the highest score. Two pictures
look alike if the model's backbone sees nearly the same in them. Pictures that no other looks like are counted.

With --output, writes a CSV or Excel file with a row per picture: the number of its series, whether it was picked,
score, percentile, and how much it looks like the picked one.
"""

EXAMPLES = """\
examples:
  lena-jax pick series/ --model=models/photos
  lena-jax pick holiday/ --model=models/photos -o picks.csv
"""

_COLUMNS = ("name", "series", "picked", "score", "percentile", "likeness", "error")


def add(commands, options):
    """Adds `pick` to the command line."""
    parser = commands.add_parser(
        "pick", help="the best of several shots of one thing", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("pictures", nargs="+", metavar="PICTURES", help="files and folders")
    models.add_model(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write: .csv or .xlsx (Excel)")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0, or 1 if some pictures could not be read."""
    _check_output(arguments.output)
    with models.opened(arguments) as scorer:
        from lena_jax.cli import tables
        from lena_jax.runtime.progress import counted
        from lena_jax.scoring import picture_paths
        from lena_jax.scoring.result_files import printable
        from lena_jax.scoring.series import series

        others = picture_paths.PassedOver()
        paths = list(picture_paths.find(arguments.pictures, others))
        if not paths:
            raise ValueError("got no pictures, expected files, or folders with picture files")
        found, bad = series(scorer, counted(paths, "scoring"))
        if others.text():
            print(printable(others.text()), file=sys.stderr)
        print(_report(found))
        print(tables.unreadable(bad, len(paths)), end="\n" * bool(bad))
        models.say_if_trained_on(arguments.model, *(shot.name for one in found for shot in one.shots))
        if arguments.output:
            _write(arguments.output, found, bad)
            print(f"wrote {len(paths):,} rows to {arguments.output}")
    return int(bool(bad))


def _check_output(output):
    if output is None:
        return
    if not output.lower().endswith((".csv", ".xlsx")) or os.path.isdir(output):
        raise ValueError(f"got --output={output!r}, expected a name of a file that ends in .csv or .xlsx")
    if not os.path.isdir(os.path.dirname(output) or "."):
        raise ValueError(f"got --output={output!r}, but there is no folder {os.path.dirname(output)!r}")


def _report(found):
    """Formats the series with more than one shot, and counts the rest."""
    from lena_jax.scoring.result_files import printable
    from lena_jax.scoring.results import ahead, percent

    lines, alone = [], 0
    for one in found:
        if len(one.shots) == 1:
            alone += 1
            continue
        best, *rest = one.shots
        lines.append(f"pick  {best.score:+.4f}  {printable(best.name)}")
        for shot in rest:
            chance = percent(ahead(best.score, shot.score))
            lines.append(f"      {shot.score:+.4f}  {printable(shot.name)}  ({chance} that the pick is ahead)")
    lines.append(f"{len(found) - alone:,} series; {alone:,} pictures look like no other")
    return "\n".join(lines)


def _write(path, found, bad):
    import csv

    from lena_jax.runtime.files import write_whole
    from lena_jax.scoring.result_files import csv_name, row_of, workbook

    rows = [
        row_of(shot) | {"series": number, "picked": "no" if place else "yes", "likeness": round(likeness, 3)}
        for number, one in enumerate(found, 1)
        for place, (shot, likeness) in enumerate(zip(one.shots, one.likeness, strict=True))
    ]

    rows += map(row_of, bad)
    if path.lower().endswith(".xlsx"):

        def fill(file):
            with workbook(file.name, _COLUMNS) as add:
                for row in rows:
                    add(row)

        write_whole(path, fill, "wb")
        return

    def write(file):
        writer = csv.DictWriter(file, _COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(row | {"name": csv_name(row["name"])} for row in rows)

    write_whole(path, write)
