"""`lena-jax score`: a ranked table, a file of scores, or with Ray a folder of them."""

import os
import sys

from lena_jax.cli import models

DESCRIPTION = """\
Scores files, and folders with all that is below them; damaged files are listed with the reason and the rest is done.
Without --output it prints a ranked table: rank, score, percentile among the training pictures, the probability of
being ahead of the next picture, name. With --output the rows are in the order of the pictures. They are written as
they come to FILE.partial, which is renamed to FILE when all are there: what Ctrl-C leaves is in FILE.partial.

With --engine=ray many processes score, on this machine or on a cluster, and --output is a folder of Parquet files, one
a block of pictures, with _SUCCESS when all are there. The same command goes on from the finished blocks.
"""

EXAMPLES = """\
examples:
  lena-jax score holiday/ other.jpg --model=runs/mine
  lena-jax score holiday/ --model=runs/mine --output=scores.parquet
  lena-jax score holiday/ --model=runs/mine --maps=maps
  ls *.png | lena-jax score - --model=runs/mine --output=scores.csv
  lena-jax score holiday/ --model=runs/mine --engine=ray --workers=2 --output=scores
  lena-jax score paths.parquet --column=path --model=models/mine --engine=ray --workers=64 --ray_address=auto \\
      --output=/shared/scores
"""

# With their defaults.
_OF_RAY = {
    "workers": 1,
    "block": 1000,
    "column": "path",
    "cpus_per_worker": None,
    "gpus_per_worker": 0,
    "ray_address": None,
}


def add(commands, options):
    """Adds `score` to the command line."""
    parser = commands.add_parser(
        "score", help="score pictures and rank them", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURES",
        help="files and folders; `-`: paths from standard input, one a line; with Ray also Parquet files",
    )
    models.add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="to write: .csv, .jsonl or .parquet (needs pyarrow); with Ray a folder, which all machines share",
    )
    parser.add_argument(
        "--maps", metavar="FOLDER", help="to draw each picture into, with the parts that raise and lower its score"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: many processes (needs Ray Data); default: local",
    )
    ray = parser.add_argument_group("with --engine=ray")
    ray.add_argument("--workers", type=int, metavar="N", help="processes that score (default: 1)")
    ray.add_argument("--block", type=int, metavar="N", help="pictures a block (default: 1000)")
    ray.add_argument(
        "--column",
        metavar="NAME",
        help="of Parquet files, with paths (text) or the contents of image files (bytes) (default: path)",
    )
    ray.add_argument(
        "--cpus_per_worker",
        type=int,
        metavar="N",
        help="cores and threads of each (default: an equal share of this machine's; 1 on a cluster)",
    )
    ray.add_argument("--gpus_per_worker", type=int, metavar="N", help="GPUs of each (default: 0)")
    ray.add_argument(
        "--ray_address",
        metavar="ADDRESS",
        help="of a running cluster, HOST:PORT or `auto` (default: one of its own on this machine)",
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns 0 if all pictures were scored, 1 if some could not be read."""
    if arguments.engine == "ray":
        return _run_with_ray(arguments)
    if given := [name for name in _OF_RAY if getattr(arguments, name) is not None]:
        raise ValueError(f"got --{given[0]} without --engine=ray")
    if arguments.maps:
        os.makedirs(arguments.maps, exist_ok=True)
    with models.opened(arguments) as scorer:
        from lena_jax.cli import scoring, tables

        results, kept = scoring.score(scorer, _paths(arguments.pictures)), []
        if arguments.output:
            # The rows of millions of pictures need not be in memory, unless they are drawn afterwards.
            count, bad = scoring.write(_noted(results, kept) if arguments.maps else results, arguments.output)
            print(f"wrote {count:,} rows to {arguments.output}")
            print(tables.unreadable(bad, count), end="\n" * bool(bad))
        else:
            kept = scoring.collect(results)
            bad = [one for one in kept if one.error is not None]
            print(scoring.report(kept))
        not_drawn = 0
        if arguments.maps:
            not_drawn = scoring.draw(scorer, kept, arguments.maps)
            print(f"maps    {arguments.maps}")
    return int(bool(bad or not_drawn))


def _noted(results, into):
    for one in results:
        into.append(one)
        yield one


def _run_with_ray(arguments):
    if not arguments.output:
        raise ValueError("--engine=ray needs --output=FOLDER")
    if arguments.maps:
        raise ValueError("got --maps with --engine=ray, expected one of the two: maps are drawn by this process alone")
    given = {
        name: default if getattr(arguments, name) is None else getattr(arguments, name)
        for name, default in _OF_RAY.items()
    }
    for name in ("workers", "block", "cpus_per_worker"):
        if given[name] is not None and given[name] < 1:
            raise ValueError(f"got --{name}={given[name]}, expected 1 or more")
    if given["gpus_per_worker"] < 0:
        raise ValueError(f"got --gpus_per_worker={given['gpus_per_worker']}, expected 0 or more")
    with models.opened(arguments) as scorer:
        from lena_jax.scoring import ray_engine

        count, bad = ray_engine.score(scorer, _paths(arguments.pictures), arguments.output, **given)
    print(f"{count:,} rows in {arguments.output}, whole")
    if bad:
        print(f"{bad:,} of {count:,} could not be read: the column `error` says why")
    return int(bool(bad))


def _paths(given):
    for path in given:
        if path == "-":
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(errors="surrogateescape")
            yield from filter(None, (line.rstrip("\n") for line in sys.stdin))
        else:
            yield path
