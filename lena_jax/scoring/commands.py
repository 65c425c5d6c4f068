"""What the commands that score do: `experiments/score.py` and `lena-jax score`."""

import contextlib
import sys
import warnings

from tqdm import tqdm

from lena_jax.scoring import drawing, picture_paths, ranking
from lena_jax.scoring.result_files import open_results
from lena_jax.scoring.training_scores import NoPercentiles


def score(scorer, paths, output=None):
    """Scores files and folders with a progress bar.

    Args:
        scorer: `Scorer`.
        paths: iterable of files and folders, see `picture_paths.find`.
        output: a file to write each result to as it comes, see `result_files.open_results`; or None.

    Returns:
        All `PictureScore`s in the order of the paths.

    Raises:
        ValueError: there is nothing to score, or as of `open_results`.
    """
    results = []
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(open_results(output)) if output else None
        found = scorer.score(picture_paths.find(paths))
        for one in tqdm(stack.enter_context(contextlib.closing(found)), desc="scoring", unit=" pictures",
                        file=sys.stderr, mininterval=0.5):
            if write:
                write(one)
            results.append(one)
        if not results:
            raise ValueError(f"got no pictures, expected files, or folders with files that end in "
                             f"{', '.join(picture_paths.ENDINGS)}")
    return results


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
    parts = [ranking.table(results) if ranking.ranking(results) else None, ranking.unreadable(results)]
    return "\n\n".join(part for part in parts if part)


def draw(scorer, results, folder):
    """Draws the map of each scored picture into a folder, which is there."""
    ranked = ranking.ranking(results)
    for place, one in enumerate(tqdm(ranked, desc="drawing", unit=" maps", file=sys.stderr), 1):
        drawing.save_explanation(drawing.map_path(folder, place, one.name), scorer.explain(one.name))
