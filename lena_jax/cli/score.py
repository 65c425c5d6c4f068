"""`lena-jax score`: print a ranked table, write a file of scores or a page, or use Ray to write a folder of scores."""

import contextlib
import os
import sys

from lena_jax.cli import models
from lena_jax.runtime import console

DESCRIPTION = """\
Scores picture files and all pictures in folders and their subfolders. Files that cannot be read are listed with the
reason; the rest are scored.

Without --output or --html, prints a table, highest score first: rank, score, percentile among the training pictures,
the probability of being ahead of the next picture, name.

With --html, writes the ranking as a page for a browser: one file with small copies of the pictures, their maps and a
filter, which needs neither the pictures nor a network. Above 1,000 pictures it goes on in PAGE-2.html and so on.

With --output, writes a file with one row per picture, in input order. Rows go to FILE.partial as they are computed;
it is renamed to FILE when all are done. Ctrl-C leaves the finished rows in FILE.partial.

With --engine=ray, many processes score, on this machine or on a cluster. --output is then a folder of Parquet files,
one per block of pictures, plus _SUCCESS when all are done. If interrupted, run the same command again: it continues
from the finished blocks.
"""

EXAMPLES = """\
examples:
  lena-jax score holiday/ other.jpg --model=runs/mine
  lena-jax score holiday/ --model=runs/mine --html=ranking.html
  lena-jax score holiday/ --model=runs/mine --output=scores.parquet
  lena-jax score holiday/ --model=runs/mine --maps=maps
  ls *.png | lena-jax score - --model=runs/mine --output=scores.csv
  lena-jax score holiday/ --model=runs/mine --engine=ray --workers=2 --output=scores
  lena-jax score paths.parquet --column=path --model=models/mine --engine=ray --workers=64 --ray_address=auto \\
      --output=/shared/scores
"""

# The options of --engine=ray and their defaults.
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
        help="files and folders; `-` reads paths from standard input, one per line; with Ray also Parquet files",
    )
    models.add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write: .csv, .xlsx (Excel), .jsonl or .parquet (needs pyarrow); with Ray a folder that all "
        "machines can reach",
    )
    parser.add_argument("--html", metavar="PAGE", help="page of the ranking to write: a name that ends in .html")
    parser.add_argument(
        "--maps",
        metavar="FOLDER",
        help="folder for one drawing per picture, showing the regions that raise and lower its score",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this process scores; ray: many processes do (needs Ray Data) (default: %(default)s)",
    )
    ray = parser.add_argument_group("options of --engine=ray")
    ray.add_argument("--workers", type=int, metavar="N", help="number of processes that score (default: 1)")
    ray.add_argument("--block", type=int, metavar="N", help="pictures per block (default: 1000)")
    ray.add_argument(
        "--column",
        metavar="NAME",
        help="column of the Parquet files: paths (text) or contents of image files (bytes) (default: path)",
    )
    ray.add_argument(
        "--cpus_per_worker",
        type=int,
        metavar="N",
        help="cores and threads per process (default: an equal share of this machine's cores; 1 on a cluster)",
    )
    ray.add_argument("--gpus_per_worker", type=int, metavar="N", help="GPUs per process (default: 0)")
    ray.add_argument(
        "--ray_address",
        metavar="ADDRESS",
        help="running Ray cluster to use, HOST:PORT or `auto` (default: start one on this machine)",
    )
    parser.set_defaults(run=run)


def run(arguments) -> int:
    """Returns the exit code: 0 if all pictures were scored, 1 if some could not be read."""
    if arguments.engine == "ray":
        return _run_with_ray(arguments)
    if given := [name for name in _OF_RAY if getattr(arguments, name) is not None]:
        raise ValueError(f"got --{given[0]} without --engine=ray")
    if arguments.maps:
        if os.path.exists(arguments.maps) and not os.path.isdir(arguments.maps):
            raise ValueError(f"got --maps={arguments.maps}, which is a file, expected a folder or nothing there")
        os.makedirs(arguments.maps, exist_ok=True)
    with models.opened(arguments) as scorer, contextlib.ExitStack() as stack:
        from lena_jax.cli import scoring, tables

        page = stack.enter_context(_page(arguments, scorer)) if arguments.html else None
        trained = models.trained_on(arguments.model)
        results, kept = scoring.score(scorer, _paths(arguments.pictures), page, trained), []
        if arguments.output:
            # Results of millions of pictures are kept in memory only if they are drawn afterwards.
            count, bad = scoring.write(_noted(results, kept) if arguments.maps else results, arguments.output)
            console.say(f"wrote {count:,} rows to {arguments.output}")
            console.say(tables.unreadable(bad, count), end="\n" * bool(bad))
        else:
            kept = scoring.collect(results)
            bad = [one for one in kept if one.error is not None]
            print(tables.unreadable(bad, len(kept)) if page else scoring.report(kept), end="\n" * bool(bad or not page))
        if page:
            written = page.write(trained.said())
            print(f"page    {written[0]}" + (f" and {len(written) - 1} more" if written[1:] else ""))
        not_drawn = 0
        if arguments.maps:
            not_drawn = scoring.draw(scorer, kept, arguments.maps)
            print(f"maps    {arguments.maps}")
    return int(bool(bad or not_drawn))


def _page(arguments, scorer):
    from lena_jax.scoring.ranking_page import RankingPage

    return RankingPage(arguments.html, arguments.model, scorer.model.has_exact_maps, scorer.model.resize)


def _noted(results, into):
    for one in results:
        into.append(one)
        yield one


def _run_with_ray(arguments):
    if not arguments.output:
        raise ValueError("--engine=ray needs --output=FOLDER")
    for option in ("maps", "html"):
        if getattr(arguments, option):
            raise ValueError(f"got --{option} with --engine=ray, expected only one of them: Ray workers draw no maps")
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
    print(f"finished: {count:,} rows in {arguments.output}")
    if bad:
        print(f"{bad:,} of {count:,} could not be read: see the column `error`")
    return int(bool(bad))


def _paths(given):
    for path in given:
        if path == "-":
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(errors="surrogateescape")
            yield from filter(None, (line.rstrip("\n") for line in sys.stdin))
        else:
            yield path
