"""Orbax checkpoints with everything that evaluation and resuming need, and digests that reveal damage."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from lena_jax.backbones import Preprocessing
from lena_jax.config import as_json, check_stored, with_defaults
from lena_jax.runtime import distributed
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.untrusted import described, read_object

METRIC = "pair_accuracy"
# The arguments of `describe`, as JSON has them, and what a row of the history holds.
_RUN = {"config": dict, "preprocessing": dict, "data": str, "history": list, "pending": list, "licence": str}
_HISTORY = ("step", "loss", "pair_accuracy")
_DIGESTS = "checkpoint_digests.json"
# Orbax moves a checkpoint here instead of deleting it file by file: a kill leaves it whole, or in this folder.
_DELETED = "deleted"


def open_checkpoints(workdir, *, read_only=False):
    """Open the checkpoints of a run, in `workdir/checkpoints`; keep the two newest and the best by `METRIC`.

    With several processes, all must open them to write, but any one may open them to read.

    Raises:
        ValueError: if there is no checkpoint and `read_only` is set, or a file of a checkpoint is damaged.
    """
    path = _folder(workdir)
    if read_only and not os.path.isdir(path):
        raise ValueError(f"no checkpoint in {workdir!r}: expected what `lena-jax train` or experiments/train.py wrote")
    _check_measures(path)
    if not read_only and not distributed.index():
        shutil.rmtree(os.path.join(path, _DELETED), ignore_errors=True)
    policies = ocp.checkpoint_managers
    me = distributed.index()
    options = ocp.CheckpointManagerOptions(
        # Processes write together, but each reads on its own.
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"reader_{me}"
        )
        if read_only
        else ocp.options.MultiprocessingOptions(),
        read_only=read_only,
        create=not read_only,
        enable_async_checkpointing=False,
        todelete_subdir=None if read_only else _DELETED,
        preservation_policy=None
        if read_only
        else policies.AnyPreservationPolicy(
            [policies.LatestN(2), policies.BestN(get_metric_fn=lambda metrics: metrics[METRIC], n=1)]
        ),
        best_fn=lambda metrics: metrics[METRIC],
    )
    with _damage_named(path):
        manager = ocp.CheckpointManager(path, options=options, item_names=("variables", "training", "run"))
    if read_only and not manager.all_steps():
        raise ValueError(f"no finished checkpoint in {path!r}, expected at least one")
    return manager


def save(manager, step, variables, training, run, pair_accuracy):
    """Save a checkpoint of one step; an interrupted save leaves nothing that looks like a checkpoint.

    Args:
        manager: manager from `open_checkpoints`.
        step: number of steps done.
        variables: what evaluation needs, as a pytree of arrays (one copy, not one per device).
        training: what else resuming needs, in the same form.
        run: what `describe` returns.
        pair_accuracy: accuracy on the validation pictures; 0 if there are none, so that the newest step is the best.

    Raises:
        OSError: if the disk has no room for it.
    """
    needed = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves((variables, training))) + 2**20
    free = shutil.disk_usage(manager.directory).free
    if free < needed:
        raise OSError(
            f"the checkpoint of step {step} needs {needed / 1e6:.0f} MB, and {str(manager.directory)!r} has "
            f"{free / 1e6:.0f} MB free; the newest checkpoint is of step {manager.latest_step() or 0}"
        )
    try:
        manager.save(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(variables),
                training=ocp.args.StandardSave(training),
                run=ocp.args.JsonSave(run),
            ),
            metrics={METRIC: float(pair_accuracy)},
        )
        manager.wait_until_finished()
    except (OSError, ValueError) as error:
        _ignore_writes_under_way()
        # The library below Orbax reports errors of the operating system as ValueError.
        refused = re.search(r"([^:]*) \[os_error_code=", str(error))
        if not (refused or isinstance(error, OSError)):
            raise
        raise OSError(
            f"the checkpoint of step {step} could not be written into {str(manager.directory)!r}: "
            f"{refused[1].strip() if refused else error.strerror or error}; the newest checkpoint is of step "
            f"{manager.latest_step() or 0}"
        ) from error
    if not distributed.index():
        shutil.rmtree(os.path.join(manager.directory, _DELETED), ignore_errors=True)
        workdir = os.path.dirname(manager.directory)
        known = _read_digests(workdir) | {step: None}  # Forget the digests of a damaged one of this step.
        _write_digests(
            workdir, {kept: known.get(kept) or _digests(_step(workdir, kept)) for kept in manager.all_steps()}
        )


def _ignore_writes_under_way():
    """Keep quiet about writes of a save that failed: each says, from its thread, that nobody waits for it any more."""
    report = sys.unraisablehook

    def hook(unraisable):
        if not (isinstance(unraisable.exc_value, RuntimeError) and "Event loop is closed" in str(unraisable.exc_value)):
            report(unraisable)

    sys.unraisablehook = hook


def describe(config, preprocessing, data, history, pending=(), licence=""):
    """Describe a run as JSON values, to store in a checkpoint.

    Args:
        config: the run's `ConfigDict`.
        preprocessing: `Preprocessing` of the backbone's weights.
        data: `splits.fingerprint` of the run's pictures.
        history: one dict of numbers per evaluation so far.
        pending: losses of the steps since the last evaluation.
        licence: licence of the backbone's pretrained weights; "" if unknown.
    """
    return {
        "config": as_json(config),
        "preprocessing": preprocessing.as_json(),
        "data": data,
        "history": list(history),
        "pending": list(pending),
        "licence": licence,
    }


def restore_run(manager, step):
    """Restore the arguments of `describe` as a dict, with defaults for config keys that were added since.

    Raises:
        ValueError: if the file is damaged; the message names it.
    """
    path = os.path.join(manager.directory, str(step), "run", "metadata")
    try:
        stored = {"licence": "", **read_object(path)}  # Older checkpoints have no licence.
        for name, kind in _RUN.items():
            if not isinstance(stored.get(name), kind):
                raise ValueError(f"{name}: got {described(stored.get(name))}, expected a {kind.__name__}")
        rows = [row if isinstance(row, dict) else {} for row in stored["history"]]
        numbers = [row.get(name, "nothing") for row in rows for name in _HISTORY] + stored["pending"]
        if strange := [one for one in numbers if not isinstance(one, (int, float, type(None)))]:
            raise ValueError(f"history and pending: got {described(strange[0])}, expected numbers")
        check_stored(stored["config"])
        return stored | {
            "config": ml_collections.ConfigDict(with_defaults(stored["config"])),
            "preprocessing": Preprocessing.from_json(stored["preprocessing"]),
        }
    except (ValueError, FileNotFoundError) as error:
        said = str(error).removeprefix(f"{path!r}: ")
        raise ValueError(f"the checkpoint of step {step} is damaged, {path!r}: {said}") from error


def restore(manager, step, **abstract):
    """Restore `variables`, `training` or both; pass a pytree of shapes and types for each.

    Returns:
        A dict of pytrees of NumPy arrays under the same names.
    """
    targets = {
        name: jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), tree) for name, tree in abstract.items()
    }
    with _damage_named(os.path.join(manager.directory, str(step))):
        return manager.restore(
            step, args=ocp.args.Composite(**{name: ocp.args.StandardRestore(tree) for name, tree in targets.items()})
        )


def set_aside_damaged(workdir):
    """Move checkpoints whose files have changed since they were written to `workdir/damaged_checkpoints`.

    Returns:
        The steps that were moved, sorted.
    """
    known = _read_digests(workdir)
    damaged = sorted(
        step
        for step, digests in known.items()
        if os.path.isdir(_step(workdir, step)) and _digests(_step(workdir, step)) != digests
    )
    for step in damaged:
        aside = os.path.join(os.path.abspath(workdir), "damaged_checkpoints")
        os.makedirs(aside, exist_ok=True)
        target = os.path.join(aside, str(step))
        shutil.rmtree(target, ignore_errors=True)
        os.rename(_step(workdir, step), target)
    if damaged:
        _write_digests(workdir, {step: digests for step, digests in known.items() if step not in damaged})
    return damaged


def check(workdir, step):
    """Refuse a damaged checkpoint.

    Raises:
        ValueError: if its files have changed since they were written.
    """
    digests = _read_digests(workdir).get(step)
    if digests is not None and digests != _digests(_step(workdir, step)):
        raise ValueError(
            f"the checkpoint of step {step} in {workdir!r} is damaged: its files have changed since they "
            "were written. Run the training command again to resume from the checkpoint before it, or delete it"
        )


def identity(workdir, step):
    """Hash the digests that were stored when a checkpoint was written; return None if there are none."""
    digests = _read_digests(workdir).get(step)
    return digests and hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _check_measures(folder):
    """Check the measures by which Orbax orders the checkpoints of a folder, which need not exist."""
    for step in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, step, "metrics", "metrics")
        if not step.isdigit():
            continue
        # Absent: a checkpoint without measures, or another process has just deleted it.
        with contextlib.suppress(FileNotFoundError):
            value = read_object(path).get(METRIC)
            if not isinstance(value, (int, float)):
                raise ValueError(
                    f"the checkpoint of step {step} is damaged, {path!r}: got {described(value)} as {METRIC}, expected "
                    "a number"
                )


@contextlib.contextmanager
def _damage_named(path):
    """Report what Orbax raises while it reads: for damaged files it may raise almost anything."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"{path!r} cannot be read, its files are damaged: {type(error).__name__}: {said}") from error


def _folder(workdir):
    return os.path.abspath(os.path.join(workdir, "checkpoints"))


def _step(workdir, step):
    return os.path.join(_folder(workdir), str(step))


def _digests(folder):
    """Return {path in the folder: SHA-256} of its files."""
    digests = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                digests[os.path.relpath(path, folder)] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _read_digests(workdir):
    """Read {step: digests}.

    A kill may leave a checkpoint without digests. It counts as intact, because Orbax only keeps whole checkpoints. If
    the file of digests is itself damaged, all checkpoints count as intact and get new digests.
    """
    try:
        stored = read_object(os.path.join(workdir, _DIGESTS))
        return {int(step): dict(digests) for step, digests in stored.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _write_digests(workdir, digests):
    write_whole(os.path.join(workdir, _DIGESTS), lambda file: json.dump(digests, file, indent=1))
