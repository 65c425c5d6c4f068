"""What a `Scorer` shows in a notebook: a table of scores for pandas, and a summary of itself."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lena_jax import pooling
from lena_jax.models.ranker import Ranker
from lena_jax.runs.percentiles import TrainingScores
from lena_jax.runtime.progress import counted
from lena_jax.runtime.templates import render
from lena_jax.scoring import picture_paths
from lena_jax.scoring.result_files import COLUMNS, row_of

if TYPE_CHECKING:
    import pandas

    from lena_jax.scoring.scorer import Scorer

Paths = str | os.PathLike | Iterable[str | os.PathLike]


def table(scorer: "Scorer", paths: Paths) -> "pandas.DataFrame":
    """Scores files and folders to a table, and shows a progress bar.

    Args:
        scorer: the scorer.
        paths: a file, a folder, or an iterable of them. Of a folder, the picture files in it and below are scored. A
            pandas Series, such as the column of another table, has files only: each gets one row, under its own index.

    Returns:
        A DataFrame with the columns `name`, `score`, `percentile` and `error` of `PictureScore`, in the order of the
        pictures. `.sort_values("score", ascending=False)` ranks it. For a table `other` with a column of paths,
        `other["score"] = scorer.table(other["path"])["score"]` adds the scores.

    Raises:
        ImportError: pandas is not installed.
        ValueError: a DataFrame, or something that is no path.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("a table of scores needs pandas: pip install pandas, or use Scorer.score") from error
    if isinstance(paths, pandas.DataFrame):
        raise ValueError(f"got a table with the columns {', '.join(map(str, paths))}, expected one of them, of paths")
    if isinstance(paths, pandas.Series):
        return _beside(scorer, paths, pandas)
    given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    results = counted(scorer.score(picture_paths.find(given)), "scoring")
    frame = pandas.DataFrame([row_of(one) for one in results], columns=list(COLUMNS))
    return frame.astype({"score": "float64", "percentile": "float64"})


def _beside(scorer, column, pandas):
    """Scores the files that a column of a table names: one row for each of its rows."""
    there = column.notna() & (column.astype(str).str.strip() != "")
    for value in column[there]:
        if not isinstance(value, (str, os.PathLike)):
            raise ValueError(f"got {value!r} in a column of paths, expected a text or a path")
    paths = [picture_paths.existing(os.fspath(value)) for value in column[there]]
    rows = [row_of(one) for one in counted(scorer.score(paths), "scoring", len(paths))]
    frame = pandas.DataFrame(rows, columns=list(COLUMNS), index=np.flatnonzero(there)).reindex(range(len(column)))
    frame["error"] = frame["error"].astype(object).where(there.to_numpy(), "no path")
    frame = frame.astype({"score": "float64", "percentile": "float64"})
    return frame.set_axis(column.index)


def summary(model: Ranker, scores: TrainingScores | None) -> str:
    """Describes the model of a scorer as an HTML table."""
    kind = type(model.network.pooling)
    title = next((record.title for record in pooling.POOLINGS.values() if record.module is kind), kind.__name__)
    maps = "contributions that sum to the score" if model.has_exact_maps else "virality maps"
    facts = {
        "backbone": model.backbone.name,
        "pooling": title,
        "picture": f"{model.image_size} x {model.image_size} px",
        "maps": maps,
        "percentiles": "none" if scores is None else f"among {scores.pictures:,} training pictures",
    }
    return render(__package__, "scorer.html.j2", facts=facts)
