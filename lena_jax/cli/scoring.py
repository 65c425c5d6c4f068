"""What `lena-jax score` does with a `Scorer`: scores with a progress bar, written, ranked or drawn."""

import contextlib
import sys

from tqdm import tqdm

from lena_jax.cli import tables
from lena_jax.data.pictures import BadPicture
from lena_jax.scoring import picture_paths
from lena_jax.scoring.result_files import PARTIAL, open_results, printable


def score(scorer, paths):
    """Scores files and folders with a progress bar; yields each `PictureScore` as it comes, in the order of the paths.

    Args:
        scorer: `Scorer`.
        paths: iterable of files and folders, see `picture_paths.find`.

    Raises:
        ValueError: there is nothing to score.
    """
    others = []
    found, one = scorer.score(picture_paths.find(paths, others.append)), None
    with contextlib.closing(found):
        for one in tqdm(found, desc="scoring", unit=" pictures", file=sys.stderr, mininterval=0.5):
            yield one
    if others:
        print(
            f"{len(others):,} other files in folders were passed over, such as {printable(others[0])}", file=sys.stderr
        )
    if one is None:
        raise ValueError(
            f"got no pictures, expected files, or folders with files that end in {', '.join(picture_paths.ENDINGS)}"
        )


def write(results, output):
    """Writes results to a file as they come, see `result_files.open_results`.

    Args:
        results: iterable of `PictureScore`.
        output: path of the file.

    Returns:
        (how many there were, a list of those with an error).

    Raises:
        ValueError, OSError: as of `open_results`.
        KeyboardInterrupt: with the path of the unfinished file, on Ctrl-C.
    """
    count, bad = 0, []
    try:
        with open_results(output) as add:
            for one in results:
                add(one)
                count += 1
                if one.error is not None:
                    bad.append(one)
    except KeyboardInterrupt as stop:
        where = f"the {count:,} finished rows are in {output}{PARTIAL}" if count else "nothing was finished"
        raise type(stop)(where) from None
    return count, bad


def collect(results):
    """A list of results; on Ctrl-C the table of those that are there is printed.

    Raises:
        KeyboardInterrupt: with how many there were, on Ctrl-C.
    """
    collected = []
    try:
        for one in results:
            collected.append(one)
    except KeyboardInterrupt as stop:
        print(report(collected))
        raise type(stop)(f"the table has the {len(collected):,} that were finished") from None
    return collected


def report(results):
    """The ranked table and what could not be read, as text."""
    bad = [one for one in results if one.error is not None]
    parts = [tables.table(results) if len(bad) < len(results) else None, tables.unreadable(bad, len(results))]
    return "\n\n".join(part for part in parts if part)


def draw(scorer, results, folder):
    """Draws the map of each scored picture into a folder, which must exist.

    Returns:
        The number of pictures that could not be read any more; they are said on stderr.

    Raises:
        KeyboardInterrupt: with how many there are, on Ctrl-C.
    """
    # Matplotlib takes a second to import.
    from lena_jax.scoring import drawing

    ranked, drawn, bad = tables.ranking(results), 0, 0
    try:
        for place, one in enumerate(tqdm(ranked, desc="drawing", unit=" maps", file=sys.stderr), 1):
            try:
                drawing.save_explanation(drawing.map_path(folder, place, one.name), scorer.explain(one.name))
                drawn += 1
            except BadPicture as error:
                bad += 1
                tqdm.write(f"not drawn: {printable(str(error))}", file=sys.stderr)
    except KeyboardInterrupt as stop:
        raise type(stop)(f"{drawn:,} of {len(ranked):,} maps are in {folder}") from None
    return bad
