"""Open a trained ranker from a run's folder, a saved model, or the Hugging Face hub."""

import dataclasses
import os
from typing import NamedTuple

import jax
import numpy as np

from lena_jax.models import ranker
from lena_jax.runs import folder, network, percentiles, saved_model


class TrainedRun(NamedTuple):
    """The best checkpoint of a run.

    Attributes:
        model: `Ranker`, with equal spread folded into the head.
        variables: variables of the model, NumPy arrays; with a "baseline" (`Ranker.with_baseline`) if the run has one.
        config: config of the run; the caller may change it.
        fingerprint: `data.splits.fingerprint` of the dataset it was trained on, and of its splits.
        step: step of the checkpoint.
    """

    model: ranker.Ranker
    variables: dict
    config: object
    fingerprint: str
    step: int


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A trained ranker and what is known about it.

    Attributes:
        model: `Ranker`.
        variables: variables of the model, NumPy arrays.
        scores: `TrainingScores`, or None if they are unknown.
        description: content of a saved model's `model.json`; for a run the same keys, with None for unknown values.
        data_dir: folder of a run's dataset at training; None for a saved model.
    """

    model: ranker.Ranker
    variables: dict
    scores: percentiles.TrainingScores | None
    description: dict
    data_dir: str | None

    @property
    def is_run(self):
        """Whether this is a run's checkpoint, not a saved model."""
        return self.data_dir is not None


def open_model(source):
    """Open a trained ranker.

    Args:
        source: folder of a run (its best checkpoint is loaded), folder that `save_model` wrote, or
            "hf:OWNER/NAME[@REVISION]" for such a folder on the Hugging Face hub.

    Returns:
        `LoadedModel`.

    Raises:
        ValueError: if the folder is missing or damaged.
        FileNotFoundError: if the hub does not have it or cannot be reached.
    """
    source = os.fspath(source)
    where = saved_model.fetch(source) if source.startswith("hf:") else os.path.expanduser(source)
    if saved_model.is_saved_model(where):
        saved = saved_model.load_model(where)
        return LoadedModel(saved.model, saved.variables, saved.scores, saved.description, None)
    run = load_ranker(where)
    scores = percentiles.read(where, run.step, run.fingerprint)
    description = {
        "network": saved_model.network_of(run.config),
        "preprocessing": run.model.preprocessing.as_json(),
        "data": {"name": run.config.data.name, "score": run.config.data.score, "fingerprint": run.fingerprint},
        "step": run.step,
        "training_scores": None if scores is None else scores.as_json(),
        "measures": folder.metrics_of_step(where, run.step),
        "picture_properties": None,
        "versions": {},
        "weights_licence": run.model.licence,
    }
    return LoadedModel(run.model, run.variables, scores, description, run.config.data.dir)


def load_ranker(workdir):
    """Restore the best checkpoint of a run.

    Returns:
        `TrainedRun`.

    Raises:
        ValueError: if the folder has no finished checkpoint, or the best one is damaged.
    """
    # Import Orbax only here: it takes a second, and saved models do not need it.
    from lena_jax.runs import checkpoints

    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        step = _best(manager)
        checkpoints.check(workdir, step)
        run = checkpoints.restore_run(manager, step)
        where = f"the checkpoint of step {step} in {workdir!r}"
        model = network.build(run["config"], run["preprocessing"], run["licence"], where)
        variables = checkpoints.restore(manager, step, variables=model.abstract_variables())["variables"]
    model, variables = model.folded(variables)
    known = percentiles.read(workdir, step, run["data"])
    try:
        variables = model.with_baseline(jax.tree.map(np.asarray, variables), None if known is None else known.pooled)
    except ValueError as error:
        where = os.path.join(workdir, percentiles.FILE)
        raise ValueError(f"{where!r} is of another model, {error}: delete it") from error
    return TrainedRun(model, variables, run["config"], run["data"], step)


def best_step(workdir):
    """Return the step of the checkpoint that `load_ranker` would restore, without reading it.

    Raises:
        ValueError: if the folder has no finished checkpoint.
    """
    from lena_jax.runs import checkpoints

    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        return _best(manager)


def _best(manager):
    step = manager.best_step()
    return manager.latest_step() if step is None else step
