"""Opening a trained ranker from wherever it is: a run's folder, a saved model, or the Hugging Face hub."""

import dataclasses
import os
from typing import NamedTuple

from lena_jax.models import ranker
from lena_jax.runs import folder, percentiles, saved_model


class TrainedRun(NamedTuple):
    """The best checkpoint of a run.

    Attributes:
        model: `Ranker`.
        variables: of the model, NumPy arrays.
        config: of the run, which the caller may change.
        fingerprint: of the dataset that it was trained on, and of its parts (`data.splits.fingerprint`).
        step: of the checkpoint.
    """

    model: ranker.Ranker
    variables: dict
    config: object
    fingerprint: str
    step: int


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A trained ranker and what is known of it.

    Attributes:
        model: `Ranker`.
        variables: of the model, NumPy arrays.
        scores: `TrainingScores`, or None where they are not known.
        description: what a saved model's `model.json` says; of a run the same keys, with None for what is not known.
        data_dir: of a run, where its dataset lay in training; None for a saved model.
    """

    model: ranker.Ranker
    variables: dict
    scores: percentiles.TrainingScores | None
    description: dict
    data_dir: str | None

    @property
    def is_run(self):
        """Whether it is a run's checkpoint, and not a saved model."""
        return self.data_dir is not None


def open_model(source):
    """Opens a trained ranker.

    Args:
        source: folder of a run (its best checkpoint is taken), folder that `save_model` wrote, or
            "hf:OWNER/NAME[@REVISION]", such a folder on the Hugging Face hub.

    Returns:
        `LoadedModel`.

    Raises:
        ValueError: no such folder, or a damaged one.
        FileNotFoundError: it cannot be fetched from the hub.
    """
    source = os.fspath(source)
    where = saved_model.fetch(source) if source.startswith("hf:") else source
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
    }
    return LoadedModel(run.model, run.variables, scores, description, run.config.data.dir)


def load_ranker(workdir):
    """Restores the best checkpoint of a run.

    Returns:
        `TrainedRun`.

    Raises:
        ValueError: if the folder holds no finished checkpoint, or the best one is damaged.
    """
    # Orbax takes a second to import, which a saved model does not need.
    from lena_jax.runs import checkpoints

    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        step = _best(manager)
        checkpoints.check(workdir, step)
        run = checkpoints.restore_run(manager, step)
        model = dataclasses.replace(ranker.build(run["config"]), preprocessing=run["preprocessing"])
        variables = checkpoints.restore(manager, step, variables=model.abstract_variables())["variables"]
    return TrainedRun(model, variables, run["config"], run["data"], step)


def best_step(workdir):
    """The step of the checkpoint that `load_ranker` restores, which is not read.

    Raises:
        ValueError: if the folder holds no finished checkpoint.
    """
    from lena_jax.runs import checkpoints

    with checkpoints.open_checkpoints(workdir, read_only=True) as manager:
        return _best(manager)


def _best(manager):
    step = manager.best_step()
    return manager.latest_step() if step is None else step
