"""From a built dataset to a model: cross-validate, train on all pictures, and export the model with its measures."""

import os
import shutil
import time

from lena_jax.data.pairs import ComparablePairs
from lena_jax.data.splits import make_folds, open_pictures
from lena_jax.data.units import kept_together
from lena_jax.evaluation.cross_validation import measure_by_folds
from lena_jax.evaluation.export import save_model
from lena_jax.report.page import write_report
from lena_jax.runs import folder
from lena_jax.runs.load import best_step
from lena_jax.studies import repeated_runs, simple_properties
from lena_jax.train.loop import train


def check_enough(config, folds):
    """Check before any training that each fold has two pictures to compare.

    Args:
        config: config of a run on all pictures, without folds.
        folds: number of folds.

    Raises:
        ValueError: there are fewer than two pictures for each fold, where pictures that must stay together (equal,
            nearly equal, or of one author) count once; or a fold has no two of one group with different scores.
    """
    pictures = open_pictures(config)["train"]
    count = len(pictures) if pictures.units is None else len(set(kept_together(pictures.units.astype(str)).tolist()))
    if count < 2 * folds:
        together = "equal and nearly equal ones, and those that --fold_by keeps together, count once"
        same = "" if count == len(pictures) else f" (of {len(pictures)}: {together})"
        raise ValueError(
            f"got {count} pictures that differ{same}, expected at least {2 * folds} to measure in {folds} folds: "
            + ("add pictures, or pass --folds=2" if count >= 4 and folds > 2 else "add pictures")
        )
    if pictures.pairs is not None:
        return  # Pairs that people judged are counted by fold when they are split.
    parts = [pictures.subset(part) for part in make_folds(pictures, folds, config.data.fold_seed)]
    if all(len(ComparablePairs(part.scores, part.groups)) for part in parts):
        return
    if pictures.groups is None:
        raise ValueError(
            f"got {len(pictures)} pictures with {len(set(pictures.scores.tolist()))} different scores, most of them "
            f"equal: a fold of {folds} has no two with different ones. Name another score, or pass --folds=2"
        )
    raise ValueError(
        f"a fold of {folds} has no two pictures of one group with different scores: leave --group away, name a "
        "column with fewer groups, or pass --folds=2"
    )


def fit(config, workdir, output, folds=5, until=None, files=None, say=print):
    """Train a model and measure it, with the same calls as `experiments/train.py`.

    The model of all pictures comes first, in `workdir/all/`, then the folds, in `workdir/folds/`. What is finished
    there is not done again, so an interrupted call goes on. `output` appears last, and whole.

    Args:
        config: config of a run on all pictures, without folds.
        workdir: folder for the runs.
        output: folder to write: a saved model (`evaluation.export`), `report.html` and `metrics.json`. Must not exist.
        folds: number of folds, >= 2.
        until: time of `time.monotonic` at which to be done: a fold is left out if it would end later. At least one is
            measured. None: measure all.
        files: {name: JSON values} of further files to put into the folder of the model.
        say: called with lines to show.

    Returns:
        The measures, see `measure_by_folds`.

    Raises:
        ValueError: see `repeated_runs.run` and `save_model`.
    """
    last = os.path.join(workdir, "all")
    say("training on all pictures")
    train(config, last)
    done = _folds(config, workdir, folds, until, say)
    known = folder.metrics_of_step(last, best_step(last), folder.FOLDS)
    if known is None or known.get("folds") != len(done):
        pictures = open_pictures(config)["train"]
        simple = simple_properties.accuracy(pictures, folds, config.data.fold_seed)
        chosen = folder.read_inner_validation(last) or {}
        more = {"simple_properties": simple, "learning_curve": chosen.get("learning_curve")}
        known = measure_by_folds(last, done, {name: value for name, value in more.items() if value is not None})
    write_report(last)
    unfinished = os.path.join(workdir, "unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    save_model(last, unfinished)
    shutil.copyfile(os.path.join(last, folder.REPORT), os.path.join(unfinished, folder.REPORT))
    folder.write_metrics(unfinished, known)
    for name, value in (files or {}).items():
        folder.write_json(os.path.join(unfinished, name), value)
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    os.rename(unfinished, output)
    return known


def _folds(config, workdir, folds, until, say):
    """Train and measure the folds, as many as there is time for; return their folders."""
    done, took = [], 0.0
    for fold in range(folds):
        # Further folds compile nothing new, so none takes longer than the one before.
        if done and until is not None and time.monotonic() + took > until:
            say(f"time limit: measured in {len(done)} of {folds} folds")
            break
        left = f", about {max(1, round(took * (folds - fold) / 60))} min left" if took > 1 else ""
        say(f"measuring, fold {fold + 1} of {folds}{left}")
        started = time.monotonic()
        repeated_runs.run(config, os.path.join(workdir, "folds"), folds, fold=fold)
        took = max(took, time.monotonic() - started)
        done.append(os.path.join(workdir, "folds", repeated_runs.name_of((fold, 0), folds, 1)))
    return done
