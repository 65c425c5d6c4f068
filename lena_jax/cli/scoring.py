"""The steps of `lena-jax score`: score with a progress bar, then write, rank or draw the results."""

import contextlib
import sys

from lena_jax.cli import tables
from lena_jax.data.pictures import ENDINGS, BadPicture
from lena_jax.runtime.progress import counted
from lena_jax.scoring import picture_paths
from lena_jax.scoring.result_files import PARTIAL, open_results, printable


def score(scorer, paths, page=None, trained=None):
    """Scores files and folders with a progress bar. Yields each `PictureScore` as it is computed, in input order.

    Args:
        scorer: `Scorer`.
        paths: iterable of files and folders, see `picture_paths.find`.
        page: `RankingPage` to add each picture to, or None.
        trained: `TrainedPictures` that sees each picture which has a score, and says at the end how many it knows.

    Raises:
        ValueError: there are no pictures to score.
    """
    others, known = picture_paths.PassedOver(), scorer.ignored_profiles
    pictures, one = picture_paths.find(paths, others), None
    found = scorer.score(pictures) if page is None else _added(scorer, pictures, page)
    with contextlib.closing(found):
        for one in counted(found, "scoring"):
            if trained is not None and one.error is None:
                trained.see(one.name)
            yield one
    if others.text():
        print(printable(others.text()), file=sys.stderr)
    if count := scorer.ignored_profiles - known:
        print(
            f"{count:,} pictures have a colour profile that is damaged or does not fit, which was ignored",
            file=sys.stderr,
        )
    if trained is not None and trained.said():
        print(trained.said(), file=sys.stderr)
    if one is None:
        raise ValueError(f"got no pictures, expected files, or folders with files that end in {', '.join(ENDINGS)}")


def _added(scorer, pictures, page):
    """Scores pictures with their maps and small copies, and adds them to the page."""
    from lena_jax.scoring.thumbnails import thumbnail

    with contextlib.closing(scorer.score_with_maps(pictures, thumbnail)) as found:
        for result, signed_map, small in found:
            page.add(result, signed_map, small)
            yield result


def write(results, output):
    """Writes results to a file as they are computed, see `result_files.open_results`.

    Args:
        results: iterable of `PictureScore`.
        output: path of the file.

    Returns:
        (number of results, list of those with an error).

    Raises:
        ValueError, OSError: the file cannot be opened or written, see `open_results`.
        KeyboardInterrupt: on Ctrl-C; the message names the unfinished file.
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
    """Collects results into a list. On Ctrl-C, prints the table of those that are finished.

    Raises:
        KeyboardInterrupt: on Ctrl-C; the message says how many were finished.
    """
    collected = []
    try:
        for one in results:
            collected.append(one)
    except KeyboardInterrupt as stop:
        print(report(collected))
        raise type(stop)(f"the table has the {len(collected):,} finished pictures") from None
    return collected


def report(results):
    """Formats the ranked table and the list of unreadable pictures as text."""
    bad = [one for one in results if one.error is not None]
    parts = [tables.table(results) if len(bad) < len(results) else None, tables.unreadable(bad, len(results))]
    return "\n\n".join(part for part in parts if part)


def draw(scorer, results, folder):
    """Draws the map of each scored picture into a folder, which must exist.

    Returns:
        The number of pictures that could no longer be read. Each is reported on stderr.

    Raises:
        KeyboardInterrupt: on Ctrl-C; the message says how many maps were drawn.
    """
    # Matplotlib takes a second to import.
    from lena_jax.scoring import drawing

    ranked, drawn, bad = tables.ranking(results), 0, 0
    try:
        bar = counted(ranked, "drawing", unit="maps")
        for place, one in enumerate(bar, 1):
            try:
                drawing.save_explanation(drawing.map_path(folder, place, one.name), scorer.explain(one.name))
                drawn += 1
            except BadPicture as error:
                bad += 1
                bar.write(f"not drawn: {printable(str(error))}", file=sys.stderr)
    except KeyboardInterrupt as stop:
        raise type(stop)(f"{drawn:,} of {len(ranked):,} maps are in {folder}") from None
    return bad
