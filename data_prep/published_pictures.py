"""Options of the datasets whose pictures are published as addresses: which to leave out, and how to fetch them."""

import argparse
import sys
from pathlib import Path

from data_prep.dataset_command import add_number
from data_prep.left_out import MAX_SHARE
from data_prep.usable_pictures import MIN_SIDE


def add_limit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the share of a split that may be left out, and the size below which a picture is left out."""
    what = "stop if more than this share of a split is left out; 1 allows all but an empty split"
    add_number(parser, "--max_loss", MAX_SHARE, "SHARE", what)
    add_number(parser, "--min_side", MIN_SIDE, "PIXELS", "leave out pictures whose width or height is smaller")


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whether to fetch pictures, and how hard to press a server."""
    fetching = parser.add_argument_group("fetching pictures")
    fetching.add_argument("--fetch", action="store_true", help="fetch pictures that are not in the folder")
    add_number(fetching, "--connections", 2, "N", "connections at once to a server")
    add_number(fetching, "--delay", 0.25, "SECONDS", "least time between two requests to a server")
    silent = "how long a server may be silent (default: %(default)s)"
    fetching.add_argument("--timeout", type=float, default=20, metavar="SECONDS", help=silent)
    add_number(fetching, "--max_megabytes", 32, "N", "size of the largest picture file to accept")


def training_config(arguments: argparse.Namespace) -> str | None:
    """Return the config that trains on what the options build: one for single pictures, none for pairs."""
    return "image_scores" if arguments.config == "images" else None


def fetch_pictures(arguments: argparse.Namespace, addresses: dict[str, str], images: Path) -> None:
    """Fetch pictures and print what became of them.

    Args:
        arguments: those of `add_fetch_arguments`.
        addresses: ids to addresses.
        images: the folder to store the pictures in.
    """
    from data_prep.download import Limits, fetch
    from lena_jax.runtime.progress import counted

    limits = Limits(
        per_host=arguments.connections,
        workers=max(8, arguments.connections),
        delay=arguments.delay,
        timeout=arguments.timeout,
        max_bytes=arguments.max_megabytes << 20,
    )

    def progress(outcomes, total):
        return counted(outcomes, "fetching", total)

    try:
        result = fetch(addresses, images, limits, progress)
    except KeyboardInterrupt:
        print(f"the pictures fetched so far are kept in {images}; the same command goes on", file=sys.stderr)
        raise
    print(
        f"pictures in {images}: {result.there:,} were there, {result.fetched:,} fetched, "
        f"{len(result.gone):,} gone for good, {len(result.failed):,} failed this time"
    )
    for id, reason in list(result.failed.items())[:5]:
        print(f"  {id}: {reason}")
    if len(result.failed) > 5:
        print(f"  ... and {len(result.failed) - 5:,} more; the same command asks for them again")
