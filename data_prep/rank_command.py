"""`python -m data_prep rank`: from choices between pictures to a score for each, by the Bradley-Terry model."""

import argparse
import sys
from pathlib import Path

from data_prep.image_pairs import command as image_pairs

DESCRIPTION = """\
Turns a table of pairs (choices, votes, A/B tests, see `build image_pairs --help`) into a table of scores: a strength
for each picture, so that the chance that one is chosen over another is sigmoid(difference). It looks at no pixels. What
comes out has the columns image, score, error (standard error), choices and component; `build image_scores` reads it.

Scores can be compared only within a component: pictures that chains of choices connect. Where there are several, pass
--group=component to `build image_scores`.
"""

EXAMPLES = """\
examples:
  python -m data_prep rank choices.csv -o scores.csv
  python -m data_prep build image_scores --images=photos --csv=scores.csv --score=score
"""


def add(commands, options: dict) -> None:
    """Add `rank` to the command line.

    Args:
        commands: the subparsers of the command line.
        options: options of every parser.
    """
    parser = commands.add_parser(
        "rank", help="from choices to a score for each picture", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("table", metavar="TABLE", help="table of pairs")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="CSV to write")
    image_pairs.add_columns(parser)
    parser.set_defaults(run=_rank)


def _rank(arguments: argparse.Namespace) -> None:
    # Imported here so that --help and a mistyped option answer at once.
    import numpy as np

    from data_prep.image_pairs import columns, judged, look, table
    from lena_jax.data.bradley_terry import MOST_PICTURES, MOST_VOTES, strengths

    path, output = Path(arguments.table).expanduser(), Path(arguments.output).expanduser()
    if output.exists() and output.samefile(path):
        raise ValueError(f"got --output={output}, which is the table itself, expected another file")
    content = table.read(path, columns.find(path, **image_pairs.columns_of(arguments)))
    pairs = judged.pairs_of(content.rows, judged.prior_of(content.rows, arguments.prior_views))
    names = judged.names_of(pairs)
    place = {name: index for index, name in enumerate(names)}
    sides = np.array([[place[pair.left], place[pair.right]] for pair in pairs])
    votes = np.array([pair.votes or (pair.label, 1 - pair.label) for pair in pairs])
    found = strengths(len(names), sides, votes)
    choices = np.zeros(len(names))
    np.add.at(choices, sides.ravel(), np.repeat(votes.sum(1), 2))
    # Component 1 is the largest.
    sizes = np.bincount(found.component)
    number = np.argsort(np.argsort(-sizes, kind="stable")) + 1
    rows = [
        [names[i], float(found.value[i]), float(found.error[i]), float(choices[i]), int(number[found.component[i]])]
        for i in np.lexsort((-found.value, number[found.component]))
    ]
    write(output, rows)
    for line in [*content.said, *look.lines(look.of_rows(content.rows))]:
        print(line)
    print(f"ranked {len(names):,} pictures by {choices.sum() / 2:,.0f} choices: {output}")
    spread = found.value.var()
    if found.whole and spread > 0:
        noise = np.square(found.error).mean()
        print(f"reliability {spread / (spread + noise):.2f} (share of the scores' variance that is not noise)")
    elif not found.whole:
        print(
            f"more than {MOST_PICTURES:,} pictures or {MOST_VOTES:,} votes: scores are log odds of wins, which ignore "
            "who was beaten"
        )
    if len(sizes) > 1:
        print(
            f"{len(sizes):,} components, the largest of {sizes.max():,} pictures: scores of different ones cannot be "
            "compared; pass --group=component to build image_scores",
            file=sys.stderr,
        )


def write(path: Path, rows) -> None:
    """Write the table of scores whole."""
    import csv

    from lena_jax.runtime.files import write_whole

    def lines(file):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "score", "error", "choices", "component"])
        writer.writerows(rows)

    write_whole(path, lines)
