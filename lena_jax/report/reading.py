"""Read the files of a run, its best checkpoint and its pictures, as far as they are available."""

import dataclasses

import ml_collections
import numpy as np

from lena_jax.data.dataset import ScoredPictures
from lena_jax.metrics import pairs_to_compare, ranking_metrics
from lena_jax.models.predict import predict
from lena_jax.pooling import POOLINGS
from lena_jax.runs import checkpoints, folder
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import open_trained_pictures
from lena_jax.runtime import distributed


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, as far as it could be read.

    Attributes:
        config: config of the run.
        rows: rows of its log.
        timing: how long training took, or None.
        notes: sentences that explain what is missing.
        model, variables, step, history: contents of the best checkpoint; None if it cannot be read.
        pictures: {split: `ScoredPictures`}, None if unavailable.
        chosen: what inner validation chose for a solved head, see `train.exact`; None for a head trained in steps.
    """

    config: ml_collections.ConfigDict
    rows: list
    timing: dict | None
    notes: list
    model: object = None
    variables: dict | None = None
    step: int | None = None
    history: list | None = None
    pictures: dict | None = None
    chosen: dict | None = None

    @property
    def pooling(self):
        """Name of the pooling for prose."""
        # A run of another version may have a pooling that this one does not know.
        record = POOLINGS.get(self.config.pooling)
        return record.title if record else self.config.pooling


@dataclasses.dataclass(frozen=True)
class Measured:
    """Measures on one split.

    Attributes:
        metrics: contents of `metrics.json`.
        pictures: `ScoredPictures`, n of them. None if unavailable; then `scores` and `pairs` are None too.
        scores: [n], predicted scores.
        pairs: [p, 2] indices; column 0 is the picture with the higher true score.
    """

    metrics: dict
    pictures: ScoredPictures | None = None
    scores: np.ndarray | None = None
    pairs: np.ndarray | None = None


def read_run(workdir, data_dir=None):
    """Reads a run.

    Args:
        workdir: folder of the run.
        data_dir: where the dataset is now; None for where it was during training.

    Returns:
        A `Run`.

    Raises:
        ValueError: the folder holds no run.
    """
    stored, known, notes = folder.read_config(workdir), {}, []
    config = None if stored is None else ml_collections.ConfigDict(stored)
    if distributed.count() > 1:
        # One process of several can neither open checkpoints nor score pictures by itself.
        notes.append("Several processes trained this run. Evaluating it adds pairs of pictures to this page.")
    else:
        try:
            model, variables, config, trained_on, step = load_ranker(workdir)
            known = {"model": model, "variables": variables, "step": step, "history": _history(workdir)}
            if data_dir is not None:
                config.data.dir = data_dir
            known["pictures"] = open_trained_pictures(workdir, config, trained_on)
        except (ValueError, OSError) as error:
            if config is None:
                raise
            notes.append(f"Not everything can be shown: {error}")
    if config is None:
        raise ValueError(f"no run in {workdir!r}: expected a folder that experiments/train.py wrote")
    chosen = folder.read_inner_validation(workdir) if config.get("head", {}).get("solver") == "exact" else None
    return Run(config, folder.read_log(workdir), folder.read_timing(workdir), notes, **known, chosen=chosen)


def read_measures(run, workdir):
    """Reads the measures of a run's best checkpoint.

    They come from `metrics.json`, else from `folds_metrics.json` or `validation_metrics.json`. If none is of the best
    checkpoint, the validation pictures are scored here.

    Args:
        run: the run.
        workdir: its folder.

    Returns:
        A `Measured`, or None if there are neither measures nor validation pictures.
    """
    for split in ("test", folder.FOLDS, "validation"):
        metrics = folder.read_metrics(workdir, split)
        if metrics is None or run.step not in (None, metrics.get("step")):
            continue  # Missing, or of an earlier checkpoint.
        if run.pictures is None or not folder.has_tables(workdir, split):
            return Measured(metrics)
        pictures = (
            run.pictures[split] if split != folder.FOLDS else folder.ranked_by_folds(workdir, run.pictures["train"])
        )
        scores = folder.read_predicted(workdir, pictures, split)
        return Measured(metrics, pictures, scores, folder.read_compared(workdir, pictures.ids, split))
    if run.pictures is None or run.pictures["validation"] is None:
        return None
    pictures = run.pictures["validation"]
    pairs = pairs_to_compare(pictures.scores, pictures.groups, run.config.pairs.min_gap, given=pictures.decided_pairs())
    scores = predict(run.model, run.variables, pictures, run.config.batch_size, "report")[0]
    measures = ranking_metrics(scores, pictures.scores, pictures.groups, pairs=pairs)
    return Measured({"split": "validation", "step": run.step, **measures}, pictures, scores.astype(np.float64), pairs)


def _history(workdir):
    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        return checkpoints.restore_run(manager, manager.latest_step())["history"]
