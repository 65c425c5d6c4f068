"""What the commands that score do: `experiments/score.py` and `lena-jax score`."""

import contextlib
import sys
import warnings

from tqdm import tqdm

from lena_jax.scoring import drawing, picture_paths, ranking
from lena_jax.scoring.result_files import PARTIAL, open_results
from lena_jax.scoring.training_scores import NoPercentiles


def score(scorer, paths):
    """Scores files and folders with a progress bar; yields each `PictureScore` as it comes, in the order of the paths.

    Args:
        scorer: `Scorer`.
        paths: iterable of files and folders, see `picture_paths.find`.

    Raises:
        ValueError: there is nothing to score.
    """
    found, one = scorer.score(picture_paths.find(paths)), None
    with contextlib.closing(found):
        for one in tqdm(found, desc="scoring", unit=" pictures", file=sys.stderr, mininterval=0.5):
            yield one
    if one is None:
        raise ValueError(f"got no pictures, expected files, or folders with files that end in "
                         f"{', '.join(picture_paths.ENDINGS)}")


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
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the {count:,} finished rows are in {output}{PARTIAL}") from None
    return count, bad


@contextlib.contextmanager
def plain_warnings():
    """Within it a missing percentile is one line on stderr, and what Pillow says of damaged metadata is not shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("always", NoPercentiles)
        shown = warnings.showwarning

        def show(message, category, *place, **more):
            if issubclass(category, NoPercentiles):
                print(f"warning: {message}", file=sys.stderr)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield


def report(results):
    """The ranked table and what could not be read, as text."""
    bad = [one for one in results if one.error is not None]
    parts = [ranking.table(results) if len(bad) < len(results) else None, ranking.unreadable(bad, len(results))]
    return "\n\n".join(part for part in parts if part)


def draw(scorer, results, folder):
    """Draws the map of each scored picture into a folder, which is there."""
    ranked = ranking.ranking(results)
    for place, one in enumerate(tqdm(ranked, desc="drawing", unit=" maps", file=sys.stderr), 1):
        drawing.save_explanation(drawing.map_path(folder, place, one.name), scorer.explain(one.name))
