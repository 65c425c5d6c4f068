"""A run's best checkpoint as a folder to pass on, with everything that its model card says measured first."""

import warnings

from lena_jax.backbones.saved import check_place
from lena_jax.evaluation import picture_properties
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.runs import folder as run_folder
from lena_jax.runs import percentiles, saved_model
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import DatasetChanged, open_trained_pictures
from lena_jax.runtime.notices import Notice


class NotMeasured(Notice):
    """A model was saved without something that its card should have; the message says what and why."""


def save_model(workdir, folder, data_dir=None):
    """Writes the best checkpoint of a run as one folder, whole or not at all.

    Where the run's data set is at hand, what is missing is measured first, which takes some minutes once: the
    evaluation on the test pictures (`evaluation.evaluate`, which leaves its files in `workdir`), the training
    pictures' scores, and how the score depends on simple properties of pictures. Without it the folder says so.

    Args:
        workdir: folder of the run.
        folder: to write; its parents are made too.
        data_dir: where the data set lies now; None for where it lay in training.

    Returns:
        The folder's absolute path.

    Warns:
        NotMeasured: the test pictures are not there.

    Raises:
        ValueError: there is no checkpoint, or something is in the folder's place.
        OSError: it cannot be written.
    """
    place = check_place(folder)
    run = load_ranker(workdir)
    if data_dir is not None:
        run.config.data.dir = str(data_dir)
    try:
        parts = open_trained_pictures(workdir, run.config, run.fingerprint)
    except DatasetChanged:
        parts, scores = {"test": None}, percentiles.read(workdir, run.step, run.fingerprint)
    else:
        scores = percentiles.ensure(workdir, run, parts["train"])
    test, measures, properties = parts["test"], _known_measures(workdir, run), None
    if test is None:
        warnings.warn(
            "the test pictures are not there: the card does not say how the ranking depends on brightness "
            "and the like" + ("" if measures else ", and has no measures"),
            NotMeasured,
            stacklevel=2,
        )
    else:
        measures = measures or evaluate(workdir, data_dir=run.config.data.dir)
        properties = picture_properties.dependence(test, run_folder.read_predicted(workdir, test))
    saved_model.write(
        place,
        {
            "format": saved_model.FORMAT,
            "network": saved_model.network_of(run.config),
            "preprocessing": run.model.preprocessing.as_json(),
            "data": {"name": run.config.data.name, "score": run.config.data.score, "fingerprint": run.fingerprint},
            "step": run.step,
            "training_scores": None if scores is None else scores.as_json(),
            "measures": measures,
            "picture_properties": properties,
            "versions": saved_model.versions(),
        },
        run.variables,
    )
    return place


def _known_measures(workdir, run):
    """The evaluation of this checkpoint, of this dataset; None where there is none."""
    metrics = run_folder.metrics_of_step(workdir, run.step)
    known = metrics is not None and metrics.get("fingerprint") == run.fingerprint and run_folder.has_scores(workdir)
    return metrics if known else None
