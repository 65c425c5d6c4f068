"""Arguments of the data sets whose pictures are published as addresses: fetching them, and how many may be lost."""

import argparse
import sys
from pathlib import Path

from data_prep.left_out import MAX_LOSS
from data_prep.usable_pictures import MIN_SIDE


def add_loss_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what a build may lose, and the size below which a picture is lost."""
    parser.add_argument(
        "--max_loss",
        type=float,
        default=MAX_LOSS,
        metavar="SHARE",
        help="stop if a split lost more than this share; 1 allows all but an empty split (default: %(default)s)",
    )
    parser.add_argument(
        "--min_side",
        type=int,
        default=MIN_SIDE,
        metavar="PIXELS",
        help="leave out pictures with a smaller width or height (default: %(default)s)",
    )


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds whether to fetch pictures, and how much may be asked of a server."""
    fetching = parser.add_argument_group("fetching pictures")
    fetching.add_argument("--fetch", action="store_true", help="ask for pictures that are not in the folder")
    fetching.add_argument(
        "--connections", type=int, default=2, metavar="N", help="at once to one server (default: %(default)s)"
    )
    fetching.add_argument(
        "--delay",
        type=float,
        default=0.25,
        metavar="SECONDS",
        help="least time between two requests to one server (default: %(default)s)",
    )
    fetching.add_argument(
        "--timeout",
        type=float,
        default=20,
        metavar="SECONDS",
        help="longest silence of a server (default: %(default)s)",
    )
    fetching.add_argument(
        "--max_megabytes",
        type=int,
        default=32,
        metavar="N",
        help="largest picture file (default: %(default)s)",
    )


def fetch_pictures(arguments: argparse.Namespace, addresses: dict[str, str], images: Path) -> None:
    """Fetches pictures, ids to addresses, as `add_fetch_arguments` says, and prints what became of them."""
    from tqdm import tqdm

    from data_prep.download import Limits, fetch

    limits = Limits(
        per_host=arguments.connections,
        workers=max(8, arguments.connections),
        delay=arguments.delay,
        timeout=arguments.timeout,
        max_bytes=arguments.max_megabytes << 20,
    )

    def progress(outcomes, total):
        return tqdm(outcomes, desc="fetching", total=total, unit=" pictures", mininterval=0.5, file=sys.stderr)

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
