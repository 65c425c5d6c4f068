"""Export a run's best checkpoint as a folder to share, after measuring what its model card reports."""

import os
import warnings

from lena_jax.backbones.saved import check_place
from lena_jax.data.dataset import dataset_directory
from lena_jax.evaluation import picture_properties
from lena_jax.evaluation.evaluate import evaluate
from lena_jax.runs import folder as run_folder
from lena_jax.runs import percentiles, saved_model
from lena_jax.runs.load import load_ranker
from lena_jax.runs.trained_data import DatasetChanged, open_trained_pictures
from lena_jax.runtime.notices import Notice


class NotMeasured(Notice):
    """A model was saved without measures that its card should have. The message says which and why."""


def save_model(workdir, folder, data_dir=None):
    """Writes the best checkpoint of a run as one folder, atomically.

    If the run's dataset is available, missing measures are computed first, which takes a few minutes once: the
    evaluation on the test pictures (`evaluation.evaluate`, which writes its files into `workdir`), the scores of the
    training pictures, and how the score depends on simple properties of pictures. Otherwise the model card says what
    is missing.

    Args:
        workdir: folder of the run.
        folder: folder to write. Missing parent folders are created.
        data_dir: where the dataset is now; None for where it was during training.

    Returns:
        The folder's absolute path.

    Warns:
        NotMeasured: the test pictures are not available.
        NoPercentiles: neither are the scores of the training pictures.

    Raises:
        ValueError: there is no checkpoint, it is a saved model already, or the folder exists.
        OSError: the folder cannot be written.
    """
    place = check_place(folder)
    if saved_model.is_saved_model(workdir):
        raise ValueError(f"{workdir!r} is a saved model already, expected a run: copy the folder")
    run = load_ranker(workdir)
    if data_dir is not None:
        run.config.data.dir = str(data_dir)
    try:
        parts = open_trained_pictures(workdir, run.config, run.fingerprint)
    except DatasetChanged as error:
        parts, scores = {"test": None, "train": None}, percentiles.read(workdir, run.step, run.fingerprint)
        if scores is None:
            warnings.warn(
                f"the model gives scores without percentiles: {error}", percentiles.NoPercentiles, stacklevel=2
            )
    else:
        scores = percentiles.ensure(workdir, run, parts["train"])
    test, measures, properties = parts["test"], _known_measures(workdir, run), None
    split = "test"
    if test is None and measures is None:
        # A model of all pictures, measured by models that were trained without some of them.
        split, measures = run_folder.FOLDS, _known_measures(workdir, run, run_folder.FOLDS)
        test = run_folder.ranked_by_folds(workdir, parts["train"]) if measures else None
    if test is None:
        warnings.warn(
            "the test pictures are not available: the model card does not say how the ranking depends on "
            "brightness and similar properties" + ("" if measures else ", and has no measures"),
            NotMeasured,
            stacklevel=2,
        )
    else:
        measures = measures or evaluate(workdir, data_dir=run.config.data.dir)
        properties = picture_properties.dependence(test, run_folder.read_predicted(workdir, test, split))
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
            "versions": saved_model.versions() | _dataset_version(run.config, parts),
            "weights_licence": run.model.licence,
        },
        run.model.with_baseline(run.variables, None if scores is None else scores.pooled),
    )
    return place


def _dataset_version(config, parts):
    """Says which version of its builder made the dataset, while it is still the one that the run was trained on."""
    if parts["train"] is None:
        return {}
    return {"dataset": os.path.basename(dataset_directory(config.data.name, config.data.dir))}


def _known_measures(workdir, run, split="test"):
    """Reads the evaluation of this checkpoint on this dataset; None if there is none."""
    metrics = run_folder.metrics_of_step(workdir, run.step, split)
    known = metrics and metrics.get("fingerprint") == run.fingerprint and run_folder.has_scores(workdir, split)
    return metrics if known else None
