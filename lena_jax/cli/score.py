"""`lena-jax score`: a ranked table, or a file of scores."""

import sys

from lena_jax.cli import models

DESCRIPTION = """\
Scores files, and folders with all that is below them; damaged files are listed with the reason and the rest is done.
Without --output it prints a ranked table: rank, score, percentile among the training pictures, the probability of
being ahead of the next picture, name. With --output the rows are in the order of the pictures. They are written as
they come to FILE.partial, which is renamed to FILE when all are there: what Ctrl-C leaves is in FILE.partial.
"""

EXAMPLES = """\
examples:
  lena-jax score holiday/ other.jpg --model=runs/mine
  lena-jax score holiday/ --model=runs/mine --output=scores.parquet
  ls *.png | lena-jax score - --model=runs/mine --output=scores.csv
"""


def add(commands, options):
    """Adds `score` to the command line."""
    parser = commands.add_parser("score", help="score pictures and rank them", description=DESCRIPTION,
                                 epilog=EXAMPLES, **options)
    parser.add_argument("pictures", nargs="+", metavar="PICTURES",
                        help="files and folders; `-`: paths from standard input, one a line")
    models.add_model(parser)
    parser.add_argument("--output", metavar="FILE", help="to write: .csv, .jsonl or .parquet (needs pyarrow)")
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0 if all pictures were scored, 1 if some could not be read."""
    with models.opened(arguments) as scorer:
        from lena_jax.scoring import commands, ranking

        results = commands.score(scorer, _paths(arguments.pictures))
        if arguments.output:
            count, bad = commands.write(results, arguments.output)
            print(f"wrote {count:,} rows to {arguments.output}")
            print(ranking.unreadable(bad, count), end="\n" * bool(bad))
            return int(bool(bad))
        results = list(results)
        print(commands.report(results))
    return int(any(one.error is not None for one in results))


def _paths(given):
    for path in given:
        if path == "-":
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(errors="surrogateescape")
            yield from filter(None, (line.rstrip("\n") for line in sys.stdin))
        else:
            yield path
